#pragma once

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"

namespace paci {

// Where `text` stops being UTF-8 (no surrogates, nothing overlong), as an index; nullopt: it is.
std::optional<size_t> FindInvalidUtf8(absl::string_view text);

// Whether `byte` is an ASCII control character. Line breaks and tabs are.
inline bool IsControl(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

}  // namespace paci
