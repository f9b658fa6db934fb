#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace paci::cli {

struct ScreenSize {
  size_t rows = 24;
  size_t columns = 80;
};

// Of standard output; the default where it is no terminal.
ScreenSize TerminalSize();

// Draws over what it drew last. Single-threaded.
class Redraw {
 public:
  // The bytes to write for `text`, lines that each end with a newline: up to the first line of the
  // last drawing, erase, the new lines. Lines are cut to fit, and those beyond the screen's height
  // are counted in the last one, because a terminal cannot go back to what has scrolled away.
  std::string Draw(absl::string_view text, ScreenSize size);
  // What is drawn stays; the next drawing goes below.
  void Keep() { drawn_rows_ = 0; }

 private:
  size_t drawn_rows_ = 0;
};

}  // namespace paci::cli
