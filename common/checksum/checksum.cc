#include "common/checksum/checksum.h"

// Declares XXH3_state_t to users of the static library only.
#define XXH_STATIC_LINKING_ONLY
// In place of xxhash.h: the library's functions that use what vector unit the processor has.
#include <xxh_x86dispatch.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace paci {

struct Checksum::State {
  XXH3_state_t xxh3;
};

Checksum::Checksum() : state_(std::make_unique<State>()) { Restart(); }
Checksum::~Checksum() = default;

void Checksum::Add(absl::Span<const std::byte> bytes) {
  XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

uint64_t Checksum::Value() const { return XXH3_64bits_digest(&state_->xxh3); }

std::string Checksum::Text() const {
  return absl::StrCat("xxh3:", absl::Hex(Value(), absl::kZeroPad16));
}

void Checksum::Restart() { XXH3_64bits_reset(&state_->xxh3); }

bool IsChecksumText(absl::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return absl::ConsumePrefix(&text, "xxh3:") && text.size() == 16 &&
         std::all_of(text.begin(), text.end(), is_digit);
}

}  // namespace paci
