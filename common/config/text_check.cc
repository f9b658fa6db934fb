#include "common/config/text_check.h"

#include <cstdint>

namespace paci {
namespace {

// Bytes of the character that `lead` begins; 0: it begins none.
size_t LengthOf(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

// Of a character of `length` bytes that begins with `lead`: what its second byte may be.
bool IsSecond(unsigned char lead, unsigned char second) {
  if (lead == 0xe0) return second >= 0xa0 && second < 0xc0;  // else overlong
  if (lead == 0xed) return second >= 0x80 && second < 0xa0;  // else a surrogate
  if (lead == 0xf0) return second >= 0x90 && second < 0xc0;  // else overlong
  if (lead == 0xf4) return second >= 0x80 && second < 0x90;  // else beyond U+10FFFF
  return second >= 0x80 && second < 0xc0;
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(absl::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const unsigned char lead = text[at];
    const size_t length = LengthOf(lead);
    if (length == 0 || at + length > text.size()) return at;
    if (length > 1 && !IsSecond(lead, text[at + 1])) return at;
    for (size_t i = 2; i < length; ++i) {
      if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return at;
    }
    at += length;
  }
  return std::nullopt;
}

}  // namespace paci
