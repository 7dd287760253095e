// Pages below /lab that show what arrived, and answers that a proxy has to rewrite.
#include <string>

#include "base/units.h"
#include "lab/digest.h"
#include "lab/json.h"
#include "lab/routes.h"

namespace ocsproxy::lab {
namespace {

std::string json_fields(const Fields& fields) {
  std::string text = "[";
  for (const auto& [name, value] : fields) {
    if (text.size() > 1) text += ", ";
    text += '[' + json_string(name) + ", " + json_string(value) + ']';
  }
  return text + ']';
}

std::string json_identity(const Visit& visit) {
  return "\"user\": " + (visit.user.empty() ? "null" : json_string(visit.user)) +
         ", \"connection\": " + std::to_string(visit.connection);
}

Awaitable<void> json(Visit visit, std::string body) {
  Reply reply = typed_reply(200, "application/json");
  reply.fields.emplace_back("Cache-Control", "no-store");
  co_await visit.exchange.reply(std::move(reply), body);
}

Awaitable<void> text(Visit visit, std::string type, std::string_view body) {
  const bool allowed = co_await check_method(visit, "GET, HEAD");
  if (!allowed) co_return;
  co_await visit.exchange.reply(typed_reply(200, std::move(type)), body);
}

// How the client called this site, which is the internal name behind a proxy.
std::string own_authority(const Visit& visit) {
  const std::string_view host = visit.head().field("Host");
  return host.empty() ? visit.options.site : std::string(host);
}

}  // namespace

// ?rate=BYTES reads that many bytes of the body a second, for a client that must wait.
Awaitable<void> echo(Visit visit) {
  const std::uint64_t rate = visit.number("rate", 0);
  std::vector<char> block(rate == 0 ? 64 * kKiB : std::max<std::uint64_t>(rate / 20, 1));
  Sha256 digest(visit.library);
  std::uint64_t length = 0;
  while (true) {
    const std::size_t size = co_await visit.exchange.read_body(block);
    if (size == 0) break;
    length += size;
    digest.add(as_bytes({block.data(), size}));
    if (rate != 0 && !co_await visit.exchange.pause(std::chrono::milliseconds(50))) co_return;
  }
  const RequestHead& head = visit.head();
  const std::string body =
      "{\"method\": " + json_string(head.method) + ",\n \"target\": " + json_string(head.target) +
      ",\n \"version\": \"" + (head.version == 11 ? "1.1" : "1.0") +
      "\",\n \"fields\": " + json_fields(head.fields) + ",\n \"head\": " + json_string(head.text) +
      ",\n \"body_length\": " + std::to_string(length) + ",\n \"body_sha256\": \"" + digest.hex() +
      "\",\n \"trailers\": " + json_fields(visit.exchange.trailers()) + ",\n " +
      json_identity(visit) + "}\n";
  co_await json(visit, body);
}

Awaitable<void> who_am_i(Visit visit) {
  const std::string body = '{' + json_identity(visit) + "}\n";
  co_await json(visit, body);
}

Awaitable<void> show_counters(Visit visit) {
  std::string body;
  const auto add = [&body](std::string_view name, const std::atomic<std::uint64_t>& value) {
    body += (body.empty() ? "{" : ",\n ") + json_string(name) + ": " + std::to_string(value.load());
  };
  const Counters& counters = visit.counters;
  add("connections_accepted", counters.connections_accepted);
  add("connections_open", counters.connections_open);
  add("connections_authenticated", counters.connections_authenticated);
  add("connections_with_two_users", counters.connections_with_two_users);
  add("requests", counters.requests);
  add("requests_authenticated", counters.requests_authenticated);
  add("logins", counters.logins);
  add("logins_refused", counters.logins_refused);
  body += "}\n";
  co_await json(visit, body);
}

// For a browser: the paragraph says "passed" when script, style, image and fetch all came through.
Awaitable<void> browser_page(Visit visit) {
  co_await text(visit, "text/html; charset=utf-8",
                "<!DOCTYPE html>\n<html><head><title>Lab page</title>\n"
                "<script src=\"page.js\" defer></script></head>\n"
                "<body><h1>Lab page</h1>\n<img id=\"image\" src=\"page.svg\" alt=\"\">\n"
                "<p id=\"outcome\">waiting</p></body></html>\n");
}

Awaitable<void> browser_script(Visit visit) {
  co_await text(
      visit, "text/javascript; charset=utf-8",
      "addEventListener('load', async () => {\n"
      "  const outcome = document.getElementById('outcome');\n"
      "  try {\n"
      "    const image = document.getElementById('image').naturalWidth;\n"
      "    const answer = await fetch('echo?from=page', {method: 'POST', body: 'hello'});\n"
      "    const seen = await answer.json();\n"
      "    const good = image > 0 && seen.body_length === 5;\n"
      "    outcome.textContent = good ? 'passed' : 'failed: ' + JSON.stringify(seen);\n"
      "  } catch (error) {\n"
      "    outcome.textContent = 'failed: ' + error;\n"
      "  }\n"
      "  document.title = outcome.textContent;\n"
      "});\n");
}

Awaitable<void> browser_image(Visit visit) {
  co_await text(visit, "image/svg+xml",
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"32\" height=\"32\">"
                "<circle cx=\"16\" cy=\"16\" r=\"14\" fill=\"teal\"/></svg>\n");
}

// ?to=PATH, ?status=302, and ?form=internal (https:// and the name that the client used), http (the
// same with http://), relative, or whole, where `to` is the value as it is.
Awaitable<void> redirect(Visit visit) {
  const RequestHead& head = visit.head();
  const std::string to = head.parameter("to").value_or("/lab/echo");
  const std::string form = head.parameter("form").value_or("internal");
  std::string location = to;
  if (form == "internal") location = "https://" + own_authority(visit) + to;
  if (form == "http") location = "http://" + own_authority(visit) + to;
  const std::string field = head.parameter("field").value_or("Location");
  Reply reply{static_cast<unsigned>(visit.number("status", 302)), {{field, location}}};
  co_await visit.exchange.reply(std::move(reply), "It is elsewhere.\n");
}

// Three cookies: of the internal name and a path, of a parent domain, and of nothing but the host.
Awaitable<void> set_cookie(Visit visit) {
  const std::string authority = own_authority(visit);
  const std::string site = authority.substr(0, authority.find(':'));
  const std::string parent = site.substr(std::min(site.find('.'), site.size()));
  Reply reply{200,
              {{"Content-Type", "text/plain"},
               {"Set-Cookie", "lab-site=1; Domain=" + site + "; Path=/lab; Secure; HttpOnly"},
               {"Set-Cookie", "lab-parent=2; domain=" + parent + "; path=/; SameSite=Lax"},
               {"Set-Cookie", "lab-host=3; Path=/ABS/Ext"}}};
  const std::string body = "Cookie: " + std::string(visit.head().field("Cookie")) + "\n";
  co_await visit.exchange.reply(std::move(reply), body);
}

Awaitable<void> any_status(Visit visit) {
  const auto asked = visit.number("code", 200);
  const unsigned status = asked >= 200 && asked <= 599 ? static_cast<unsigned>(asked) : 400;
  co_await visit.exchange.reply(typed_reply(status, "text/plain"), std::to_string(status) + "\n");
}

// ?size=64m
Awaitable<void> any_content(Visit visit) {
  co_await send_file(visit, "", visit.number("size", kMiB));
}

}  // namespace ocsproxy::lab
