#pragma once

#include <string>
#include <vector>

namespace paci::cli {

// Rows under a header, aligned, two spaces apart: "NAME  STATE". Cells are escaped, so that what
// another machine says cannot move the cursor. Single-threaded.
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns.
  void Add(std::vector<std::string> cells);
  // Each line ends with a newline and has no trailing spaces. `indent`: spaces before each line.
  std::string Render(size_t indent = 0) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Lines of "Key:   value", values aligned. Empty values are left out.
std::string RenderFields(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace paci::cli
