// Policies and requests at random, from alphabets so small that rules collide.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace ocsproxy::rules {

// Where a generator's choices come from: random numbers, or the bytes of a fuzzer's input, which
// end in zeros.
class Choices {
 public:
  explicit Choices(unsigned seed) : random_(seed) {}
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}

  bool spent() const { return bytes_ && bytes_->empty(); }
  std::mt19937::result_type operator()();

 private:
  std::mt19937 random_;
  std::optional<std::string_view> bytes_;
};

// Same choices, same texts; of the forms of policy_text.h.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  explicit Generator(std::string_view bytes) : random_(bytes) {}

  // Never, when the choices are random.
  bool spent() const { return random_.spent(); }

  bool one_in(unsigned n) { return random_() % n == 0; }
  template <class Thing>
  const Thing& pick(const std::vector<Thing>& things) {  // which are not none
    return things[random_() % things.size()];
  }
  std::vector<std::string> policy();
  // A path of it need not be canonical.
  std::string request();
  // The same policy after somebody's work on it: a rule more, less, changed or moved.
  std::vector<std::string> edited(std::vector<std::string> rules);

 private:
  using Words = std::vector<std::string_view>;

  std::string list(const Words& words, unsigned most);
  std::string source_list();
  std::string rule();
  std::string rule_of_one_address();

  Choices random_;
};

// What canonicalize refuses never comes to the rules.
bool is_canonical(const std::string& path);

// For the message of a test that fails.
std::string print(const std::vector<std::string>& rules);

}  // namespace ocsproxy::rules
