#include "cli/format/text_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/format/escape.h"

namespace paci::cli {
namespace {

constexpr size_t kGap = 2;

std::string Pad(const std::string& cell, size_t width, TextTable::Align align) {
  const std::string fill(width - Columns(cell), ' ');
  return align == TextTable::Align::kLeft ? cell + fill : fill + cell;
}

}  // namespace

void TextTable::Add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = EscapeLine(cell);
  rows_.push_back(std::move(cells));
}

std::string TextTable::Render(size_t indent) const {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    titles.push_back(columns_[c].title);
    widths.push_back(Columns(titles.back()));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], Columns(row[c]));
  }
  std::string out;
  const auto append = [&](const std::vector<std::string>& cells) {
    std::string line(indent, ' ');
    for (size_t c = 0; c < cells.size(); ++c) {
      if (c > 0) line.append(kGap, ' ');
      line += Pad(cells[c], widths[c], columns_[c].align);
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&out, line, "\n");
  };
  append(titles);
  for (const auto& row : rows_) append(row);
  return out;
}

std::string RenderFields(const std::vector<std::pair<std::string, std::string>>& fields) {
  size_t width = 0;
  for (const auto& [key, value] : fields) {
    if (!value.empty()) width = std::max(width, Columns(key) + 1);
  }
  std::string out;
  for (const auto& [key, value] : fields) {
    if (value.empty()) continue;
    absl::StrAppend(&out, Pad(key + ":", width + kGap, TextTable::Align::kLeft), EscapeLine(value),
                    "\n");
  }
  return out;
}

}  // namespace paci::cli
