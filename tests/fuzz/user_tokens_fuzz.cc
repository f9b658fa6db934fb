// The coordinator's file of tokens. Nobody is in it by accident.
#include <cstdlib>

#include "common/security/user_tokens.h"
#include "tests/fuzz/fuzz.h"

namespace paci {

std::vector<std::string> FuzzSeeds() {
  return {"# who\n" + TokenLine({"anna", Role::kSubmit}, "one") + "\n" +
          TokenLine({"omar", Role::kAdmin}, "two") + "  # since May\n"};
}

}  // namespace paci

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto owners = paci::ParseTokens({reinterpret_cast<const char*>(data), size});
  if (!owners.ok()) return 0;
  for (const auto& [hash, owner] : *owners) {
    const bool is_whole = hash.size() == 64 && !owner.name.empty() && owner.name.size() <= 64;
    if (!is_whole || owner.role == paci::Role::kWorker) std::abort();
  }
  return 0;
}
