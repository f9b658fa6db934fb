#include "cli/format/escape.h"

#include <cstdint>

#include "absl/strings/str_format.h"

namespace paci::cli {
namespace {

// Bytes of the UTF-8 character at the start of `bytes`; 0: it is none (RFC 3629: no overlong
// forms, no surrogates, nothing beyond U+10FFFF).
size_t CharacterLength(absl::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t first = at(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || bytes.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = at(1);
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second > 0x9F) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return length;
}

bool IsControl(absl::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (first < 0x20 || first == 0x7F) return true;
  return first == 0xC2 && static_cast<uint8_t>(character[1]) < 0xA0;  // U+0080..U+009F
}

std::string Escape(absl::string_view bytes, bool one_line) {
  std::string out;
  while (!bytes.empty()) {
    const size_t length = CharacterLength(bytes);
    const absl::string_view character = bytes.substr(0, length == 0 ? 1 : length);
    bytes.remove_prefix(character.size());
    if (character == "\n" || character == "\t") {
      const absl::string_view written = character == "\n" ? "\\n" : "\\t";
      out.append(std::string(one_line ? written : character));
    } else if (length == 0 || IsControl(character)) {
      for (const char byte : character) {
        out += absl::StrFormat("\\x%02x", static_cast<uint8_t>(byte));
      }
    } else {
      out.append(character.data(), character.size());
    }
  }
  return out;
}

}  // namespace

std::string EscapeText(absl::string_view bytes) { return Escape(bytes, false); }

std::string EscapeLine(absl::string_view bytes) { return Escape(bytes, true); }

bool IsUtf8(absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = CharacterLength(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

size_t Columns(absl::string_view text) {
  size_t columns = 0;
  for (const char byte : text) columns += (static_cast<uint8_t>(byte) & 0xC0) != 0x80;
  return columns;
}

absl::string_view Clip(absl::string_view text, size_t columns) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    const bool starts = (static_cast<uint8_t>(text[end]) & 0xC0) != 0x80;
    if (starts && columns-- == 0) break;
  }
  return text.substr(0, end);
}

}  // namespace paci::cli
