// Sets of requests: what the questions to a policy answer, each with a request as its witness.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rules/regex_examples.h"
#include "rules/request_space.h"

namespace ocsproxy::rules {

// A request that anybody can send: the proof of a claim about a set of them.
struct Witness {
  std::string listener;
  IpAddress client;
  std::string name;
  std::string path;
  std::string method;
  bool https = true;

  // "GET https://www.contoso.com/abs/x from 203.0.113.9"
  std::string to_string() const;
};

// A product of sets, below one listener. Methods and pairs are those of the group.
struct Box {
  std::shared_ptr<const RequestGroup> group;
  std::vector<PathPair> pairs;         // sorted
  std::vector<std::uint32_t> methods;  // sorted
  std::vector<AtomRange> atoms;        // of the space, sorted, none touching the next
};

// A set of requests as disjoint boxes.
class Region {
 public:
  // Areas of one group are to be added in one go.
  void add(const Area& area);
  // What was added, as few boxes as merging within each group makes. Leaves the region empty.
  std::vector<Box> take();

 private:
  void close_group();

  std::shared_ptr<const RequestGroup> group_;
  // By method and pair, in the order in which an area comes.
  std::map<PathPair, std::map<std::uint32_t, std::vector<AtomRange>>> open_;
  std::vector<Box> boxes_;
};

// A request of the area, encrypted where its listener offers that.
Witness witness_of(const RequestSpace& space, const Area& area);
// How easily people read it, up to kPlainest: a path without ;parameters counts most, then the
// method, then how well they know the address.
inline constexpr int kPlainest = 11;
int plainness(const Witness& witness);
// Puts a request of the area into `witness` if it is the first, or is easier to read: one for
// `path`, which lies in the area, or, when that is empty, for any.
void keep_plainer(const RequestSpace& space, const Area& area, bool first, Witness& witness,
                  const std::string& path = {});
// One of `set`, not empty, that a person takes for an address.
IpAddress typical_address(const AddressSet& set);
// What policy `number` of the space decides about it; empty when it does not serve such a client.
std::optional<Decision> decide(const RequestSpace& space, std::uint32_t number,
                               const Witness& witness);
// Does policy 0 decide so about `request`, one of the area? Where only a regex can tell, its path
// becomes one that the regex matches, if that helps. Else it is left as it is.
bool find_decided(const RequestSpace& space, const Area& area, const Decision& decision,
                  RegexExamples& examples, Witness& request);
// Does the box hold the request? `name`, `path` and `method` as in rules::Request.
bool contains(const RequestSpace& space, const Box& box, const Witness& request);

// A box in words. `from` has the networks of policy `number` where one is whole, else addresses.
struct BoxText {
  std::string names;
  std::vector<std::string> paths;
  std::string methods;
  std::string from;
};
BoxText describe(const RequestSpace& space, std::uint32_t number, const Box& box);

}  // namespace ocsproxy::rules
