#include "dns_server.h"

#include <array>
#include <memory>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace ocsproxy::test {
namespace {

namespace asio = boost::asio;

constexpr std::uint16_t kA = 1;
constexpr std::uint16_t kCname = 5;
constexpr std::uint16_t kAaaa = 28;

void put16(std::string& out, std::uint32_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

std::uint16_t get16(const std::string& in, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(in.at(at)) << 8 |
                                    static_cast<unsigned char>(in.at(at + 1)));
}

std::string encoded_name(const std::string& name) {
  std::string out;
  std::size_t start = 0;
  while (start < name.size()) {
    const std::size_t end = std::min(name.find('.', start), name.size());
    out += static_cast<char>(end - start);
    out += name.substr(start, end - start);
    start = end + 1;
  }
  return out + '\0';
}

void put_record(std::string& out, const std::string& name, std::uint16_t type, std::uint32_t ttl,
                const std::string& data) {
  out += encoded_name(name);
  put16(out, type);
  put16(out, 1);  // IN
  put16(out, ttl >> 16);
  put16(out, ttl);
  put16(out, static_cast<std::uint32_t>(data.size()));
  out += data;
}

std::string record_data(const IpAddress& address) {
  const auto& bytes = address.bytes();
  return {bytes.begin() + (address.is_v4() ? 12 : 0), bytes.end()};
}

}  // namespace

DnsServer::DnsServer(asio::io_context& io) : udp_(io), tcp_(io) {
  // The kernel's free UDP port may be somebody's TCP port.
  boost::system::error_code taken;
  do {
    udp_ = asio::ip::udp::socket(io, {asio::ip::address_v4::loopback(), 0});
    tcp_ = asio::ip::tcp::acceptor(io, asio::ip::tcp::v4());
    tcp_.bind({asio::ip::address_v4::loopback(), udp_.local_endpoint().port()}, taken);
  } while (taken);
  tcp_.listen();
  receive();
  accept();
}

std::string DnsServer::address() const {
  return "127.0.0.1:" + std::to_string(tcp_.local_endpoint().port());
}

int DnsServer::questions(const std::string& name) const {
  const auto found = questions_.find(name);
  return found == questions_.end() ? 0 : found->second;
}

void DnsServer::close() {
  udp_.close();
  tcp_.close();
}

void DnsServer::receive() {
  udp_.async_receive_from(asio::buffer(buffer_), client_,
                          [this](const boost::system::error_code& error, std::size_t size) {
                            if (error) return;
                            const std::string reply = answer(std::string(buffer_, size), false);
                            if (!reply.empty()) udp_.send_to(asio::buffer(reply), client_);
                            receive();
                          });
}

void DnsServer::accept() {
  tcp_.async_accept([this](const boost::system::error_code& error, asio::ip::tcp::socket socket) {
    if (error) return;
    auto peer = std::make_shared<asio::ip::tcp::socket>(std::move(socket));
    auto head = std::make_shared<std::array<unsigned char, 2>>();
    auto body = std::make_shared<std::string>();
    asio::async_read(*peer, asio::buffer(*head), [=, this](const auto& failed, std::size_t) {
      if (failed) return;
      body->resize(static_cast<std::size_t>((*head)[0] << 8 | (*head)[1]));
      asio::async_read(*peer, asio::buffer(*body), [=, this](const auto& broken, std::size_t) {
        if (broken) return;
        const std::string reply = answer(*body, true);
        std::string framed;
        put16(framed, static_cast<std::uint32_t>(reply.size()));
        framed += reply;
        boost::system::error_code ignored;
        asio::write(*peer, asio::buffer(framed), ignored);
      });
    });
    accept();
  });
}

std::string DnsServer::answer(const std::string& question, bool over_tcp) {
  std::string name;
  std::size_t at = 12;
  while (const auto size = static_cast<unsigned char>(question.at(at))) {
    if (!name.empty()) name += '.';
    name += question.substr(at + 1, size);
    at += size + 1u;
  }
  const std::uint16_t type = get16(question, at + 1);
  ++questions_[name];
  Zone zone{.addresses = {}, .code = 3};
  if (const auto found = zones_.find(name); found != zones_.end()) zone = found->second;
  if (zone.silent) return {};

  const bool truncated = zone.truncated && !over_tcp;
  std::string records;
  std::uint32_t count = 0;
  const std::string owner = zone.alias_of.empty() ? name : zone.alias_of;
  if (!zone.alias_of.empty()) {
    put_record(records, name, kCname, zone.alias_ttl, encoded_name(zone.alias_of));
    ++count;
  }
  for (const IpAddress& address : zone.addresses) {
    if ((address.is_v4() ? kA : kAaaa) != type) continue;
    put_record(records, owner, type, zone.ttl, record_data(address));
    ++count;
  }
  if (truncated || zone.code != 0) {
    records.clear();
    count = 0;
  }
  std::string reply = question.substr(0, 2);
  put16(reply, 0x8180u | (truncated ? 0x0200u : 0) | zone.code);  // response, recursion
  put16(reply, 1);
  put16(reply, count);
  put16(reply, 0);
  put16(reply, 0);
  reply += question.substr(12, at + 5 - 12);
  return reply + records;
}

}  // namespace ocsproxy::test
