#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace paci::cli {

// Safe to print on any terminal: control characters (but newline and tab) and bytes that are not
// UTF-8 become "\xNN", and a backslash stays one. For text that a model or another machine made.
std::string EscapeText(absl::string_view bytes);
// The same for one line or table cell: newlines and tabs become "\n" and "\t".
std::string EscapeLine(absl::string_view bytes);

bool IsUtf8(absl::string_view bytes);
// Characters of valid UTF-8, each counted as one column.
size_t Columns(absl::string_view text);
// The first `columns` characters.
absl::string_view Clip(absl::string_view text, size_t columns);

}  // namespace paci::cli
