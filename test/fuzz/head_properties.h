// What holds for every head that the parser accepts, of a request or a response.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "base/text.h"
#include "proxy/head_parser.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {

inline bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

inline void require_clean_fields(const FieldList& fields, std::string_view head) {
  for (const FieldView& field : fields) {
    require(lies_in(field.name, head) && lies_in(field.value, head),
            "fields are views into the head");
    require(is_token(field.name), "a field name is a token");
    require(field.id == field_id(field.name), "a field has the id of its name");
    require(trim(field.value).size() == field.value.size(), "no white space surrounds a value");
    require(std::all_of(field.value.begin(), field.value.end(),
                        [](char c) {
                          const auto byte = static_cast<unsigned char>(c);
                          return c == '\t' || (byte >= 0x20 && byte != 0x7f);
                        }),
            "a value holds no control byte");
    require(fields.has(field.id) && fields.count(field.id) >= 1, "the list knows its ids");
  }
}

inline void require_same_fields(const FieldList& a, const FieldList& b) {
  require(a.size() == b.size(), "a head written anew has the same fields");
  for (std::size_t i = 0; i < a.size(); ++i) {
    require(a[i].name == b[i].name && a[i].value == b[i].value,
            "a head written anew has equal fields");
  }
}

inline std::string written(const FieldList& fields) {
  std::string text;
  for (const FieldView& field : fields) {
    text.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return text + "\r\n";
}

// The outcome of a head that comes in two parts, or byte by byte, is that of the whole.
template <typename Head, typename Parse>
void require_same_when_cut(std::string_view text, const HeadOutcome& whole, Parse parse) {
  const auto head = std::make_unique<Head>();
  HeadProgress progress;
  HeadOutcome outcome;
  const std::size_t step = text.size() > 600 ? text.size() / 97 + 1 : 1;
  for (std::size_t size = 0;
       size < text.size() && outcome.state == HeadOutcome::State::need_more;) {
    size = std::min(text.size(), size + step);
    outcome = parse(text.substr(0, size), progress, *head);
  }
  require(outcome.state == whole.state, "a dripped head has the outcome of the whole");
  require(outcome.size == whole.size, "a dripped head has the size of the whole");
  require(outcome.refusal.status == whole.refusal.status,
          "a dripped head has the status of the whole");
}

}  // namespace ocsproxy::fuzz
