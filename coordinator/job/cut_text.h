#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace paci {

// What a worker says is kept up to so many bytes.
inline constexpr size_t kMaxTextBytes = 2000;

// `text`, or its beginning and an ellipsis; never half a UTF-8 character, which no message may
// have.
inline std::string CutText(absl::string_view text) {
  if (text.size() <= kMaxTextBytes) return std::string(text);
  size_t size = kMaxTextBytes - 3;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return std::string(text.substr(0, size)) + "...";
}

}  // namespace paci
