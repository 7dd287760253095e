// The web components of OCS 2007 R2, as far as a client or an administrator's browser can see from
// outside. (The internal directories are there too, so that one can see that they are not
// published.)
#include <string>

#include "base/text.h"
#include "lab/routes.h"

namespace ocsproxy::lab {
namespace {

// The part of the path behind the `depth`-th segment, without its slash: "handler/f-0901.lsabs" of
// "/abs/ext/handler/f-0901.lsabs" at depth 2.
std::string_view below(std::string_view path, int depth) {
  for (; depth >= 0 && !path.empty(); --depth) {
    path.remove_prefix(path.front() == '/' ? 1 : 0);
    if (depth == 0) return path;
    path.remove_prefix(std::min(path.find('/'), path.size()));
  }
  return path;
}

Awaitable<void> soap(Visit visit, std::string body) {
  co_await visit.exchange.reply(typed_reply(200, "text/xml; charset=utf-8"),
                                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + body);
}

// Reads and counts the request's body.
Awaitable<std::uint64_t> body_length(Visit visit) {
  std::vector<char> block(64 * kKiB);
  std::uint64_t length = 0;
  while (true) {
    const std::size_t size = co_await visit.exchange.read_body(block);
    if (size == 0) co_return length;
    length += size;
  }
}

}  // namespace

Awaitable<void> address_book(Visit visit) {
  const std::string_view rest = below(visit.head().path, 2);
  const std::string_view file = rest.starts_with("handler") ? below(rest, 1) : "";
  if (rest.empty()) {
    co_await listing_denied(visit);
  } else if (rest == "handler" || rest == "handler/") {
    co_await html(visit, 200, "Address Book Server", "Ask for F-xxxx.lsabs or D-xxxx-yyyy.lsabs.");
  } else if (file.starts_with("f-") && file.ends_with(".lsabs")) {
    co_await send_file(visit, "Address Book for " + visit.user + "\n", kMiB);
  } else if (file.starts_with("d-") && file.ends_with(".lsabs")) {
    co_await send_file(visit, "Address Book changes for " + visit.user + "\n", 64 * kKiB);
  } else {
    co_await not_found(visit);
  }
}

Awaitable<void> group_expansion(Visit visit) {
  if (below(visit.head().path, 2) != "service.asmx") {
    co_await not_found(visit);
    co_return;
  }
  if (!co_await check_method(visit, "GET, HEAD, POST")) co_return;
  if (visit.head().method == "POST") {
    const std::uint64_t length = co_await body_length(visit);
    co_await soap(visit,
                  "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">"
                  "<soap:Body><ExpandDistributionListResponse xmlns=\"urn:ocsproxy:lab\">"
                  "<AskedBy>" +
                      visit.user +
                      "</AskedBy>"
                      "<AskedWithBytes>" +
                      std::to_string(length) +
                      "</AskedWithBytes>"
                      "<Member>sip:alice@contoso.com</Member><Member>sip:bob@contoso.com</Member>"
                      "</ExpandDistributionListResponse></soap:Body></soap:Envelope>\n");
  } else if (istarts_with(visit.head().query, "wsdl")) {
    co_await soap(visit,
                  "<definitions xmlns=\"http://schemas.xmlsoap.org/wsdl/\" name=\"GroupExpansion\">"
                  "<service name=\"DistributionListExpander\"/></definitions>\n");
  } else {
    co_await html(visit, 200, "DLX Web Service",
                  "The following operation is supported: ExpandDistributionList.");
  }
}

Awaitable<void> conferencing(Visit visit) {
  const std::string_view rest = below(visit.head().path, 2);
  if (rest.empty()) {
    co_await listing_denied(visit);
  } else if (rest == "tshoot.html") {
    if (!co_await check_method(visit, "GET, HEAD")) co_return;
    co_await html(visit, 200, "Conferencing troubleshooting",
                  "If you can read this, the web farm is reachable.");
  } else {
    co_await not_found(visit);
  }
}

Awaitable<void> meeting_content(Visit visit) { co_await send_file(visit, "", 4 * kMiB); }

Awaitable<void> phone_conferencing(Visit visit) {
  const bool allowed = co_await check_method(visit, "GET, HEAD, POST");
  if (!allowed) co_return;
  co_await body_length(visit);
  co_await html(visit, 200, "Dial-in conferencing", "Set your PIN here.");
}

Awaitable<void> client_update(Visit visit) {
  if (below(visit.head().path, 2).empty()) {
    co_await listing_denied(visit);
  } else {
    co_await send_file(visit, "", 8 * kMiB);
  }
}

Awaitable<void> firmware(Visit visit) {
  if (below(visit.head().path, 1).empty()) {
    co_await listing_denied(visit);
  } else {
    co_await send_file(visit, "", 128 * kMiB);
  }
}

Awaitable<void> device_update(Visit visit) {
  if (below(visit.head().path, 1) != "ucdevice.upx") {
    co_await not_found(visit);
    co_return;
  }
  if (!co_await check_method(visit, "POST")) co_return;
  const std::uint64_t length = co_await body_length(visit);
  co_await soap(visit, "<Response xmlns=\"urn:ocsproxy:lab\"><ReceivedBytes>" +
                           std::to_string(length) + "</ReceivedBytes>" +
                           "<Update>/DeviceUpdateFiles_Ext/UCPhone/Tanjay/firmware.cat</Update>" +
                           "</Response>\n");
}

}  // namespace ocsproxy::lab
