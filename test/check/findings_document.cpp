#include "findings_document.h"

#include "base/finding_codes.h"

namespace ocsproxy {

std::string findings_document() {
  std::string text = R"(# Findings

What `ocsproxy --check` can say about a configuration, and what a start or a reload says of it in the
log. Each finding has a code that never changes; `--format json` and `--format sarif` carry it too.

- **error**: it cannot be served. `--check` ends with 1, a reload changes nothing.
- **warning**: it can be served, and is most likely not what is meant. With `--strict` it ends with 1.
- **note**: it may well be meant, and is worth knowing.

<!-- Written from base/finding_codes.h by test/check; OCSPROXY_REWRITE_GOLDEN=1 writes it anew. -->
)";
  for (const FindingCode& code : kFindingCodes) {
    text.append("\n## ").append(code.name).append("\n\n**").append(to_string(code.severity));
    text.append("**: ").append(code.meaning).append(".\n\n```yaml\n").append(code.example);
    text.append("\n```\n\nMend: ").append(code.mend).append(".\n");
  }
  return text;
}

}  // namespace ocsproxy
