#include "rules/name_classes.h"

#include "policy_text.h"

namespace ocsproxy::rules {
namespace {

struct Classes {
  explicit Classes(const std::string& names)
      : settings(make_settings({"allow web names " + names})),
        table(RuleTable::compile(settings, {}, findings)),
        policies{&table->compiled()},
        classes(policies) {}

  std::string of(std::string_view name) const {
    const NameClass& one = classes[classes.find(name)];
    return one.kind == NameClass::Kind::exact   ? one.text
           : one.kind == NameClass::Kind::below ? "*." + one.text
                                                : "others";
  }

  settings::Settings settings;
  Findings findings;
  std::shared_ptr<const RuleTable> table;
  std::vector<const CompiledPolicy*> policies;
  NameClasses classes;
};

TEST(NameClasses, ANameIsInTheNarrowestClass) {
  const Classes classes("www.a.test,*.a.test,*.b.a.test,192.0.2.1,*.0.2.7");
  const std::vector<std::pair<std::string, std::string>> table = {
      {"www.a.test", "www.a.test"}, {"a.test", "others"},         {"x.a.test", "*.a.test"},
      {"b.a.test", "*.a.test"},     {"x.b.a.test", "*.b.a.test"}, {"x.www.a.test", "*.a.test"},
      {"192.0.2.1", "192.0.2.1"},   {"192.0.2.7", "others"},      {"", "others"},
      {"x.0.2.7", "*.0.2.7"},       {"xa.test", "others"},
  };
  for (const auto& [name, expected] : table) EXPECT_EQ(classes.of(name), expected) << name;
}

TEST(NameClasses, EachClassHasAWitnessInIt) {
  const Classes classes("any.a.test,n1.a.test,*.a.test,*.any.a.test,unlisted.invalid,*.invalid");
  ASSERT_EQ(classes.classes.size(), 7U);
  for (std::uint32_t i = 0; i < classes.classes.size(); ++i) {
    EXPECT_EQ(classes.classes.find(classes.classes[i].witness), i) << classes.classes[i].witness;
  }
}

TEST(NameClasses, DescribesASetByItsWildcardsAndExceptions) {
  const Classes classes("www.a.test,*.a.test,b.test");
  const auto describe = [&](std::initializer_list<const char*> names) {
    std::set<std::uint32_t> numbers;
    for (const char* name : names) numbers.insert(classes.classes.find(name));
    return classes.classes.describe(std::vector(numbers.begin(), numbers.end()));
  };
  EXPECT_EQ(describe({"b.test"}), "b.test");
  EXPECT_EQ(describe({"x.a.test"}), "*.a.test but not www.a.test");
  EXPECT_EQ(describe({"x.a.test", "www.a.test"}), "*.a.test");
  EXPECT_EQ(describe({"other.test", "b.test"}), "any name that no rule lists, b.test");
  EXPECT_EQ(describe({"other.test", "b.test", "x.a.test", "www.a.test"}), "any name");
}

}  // namespace
}  // namespace ocsproxy::rules
