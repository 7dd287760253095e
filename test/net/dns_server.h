// A small DNS server on loopback for tests: answers what it was told to.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include "base/ip_address.h"

namespace ocsproxy::test {

// UDP and TCP on the same port of 127.0.0.1, in the loop of the test. A name it was not told of
// does not exist (NXDOMAIN).
class DnsServer {
 public:
  struct Zone {
    std::vector<IpAddress> addresses;
    std::uint32_t ttl = 60;
    std::uint8_t code = 0;      // RCODE, RFC 1035 4.1.1: 0 none, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
    bool silent = false;        // no answer at all
    bool truncated = false;     // over UDP: TC, and nothing else
    std::string alias_of = {};  // CNAME, with `alias_ttl`
    std::uint32_t alias_ttl = 60;
  };

  explicit DnsServer(boost::asio::io_context& io);

  std::string address() const;  // "127.0.0.1:port"
  void set(const std::string& name, Zone zone) { zones_[name] = std::move(zone); }
  // A and AAAA questions for the name, over UDP and TCP.
  int questions(const std::string& name) const;
  void close();

 private:
  void receive();
  void accept();
  std::string answer(const std::string& question, bool over_tcp);

  boost::asio::ip::udp::socket udp_;
  boost::asio::ip::tcp::acceptor tcp_;
  boost::asio::ip::udp::endpoint client_;
  char buffer_[1500];
  std::map<std::string, Zone> zones_;
  std::map<std::string, int> questions_;
};

}  // namespace ocsproxy::test
