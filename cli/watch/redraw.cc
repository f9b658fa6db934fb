#include "cli/watch/redraw.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/format/escape.h"

namespace paci::cli {

ScreenSize TerminalSize() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
    return {};
  }
  return {size.ws_row, size.ws_col};
}

std::string Redraw::Draw(absl::string_view text, ScreenSize size) {
  const std::vector<absl::string_view> lines = absl::StrSplit(absl::StripSuffix(text, "\n"), '\n');
  // One row is the cursor's own, below the drawing.
  const size_t rows = std::max<size_t>(size.rows, 3) - 1;
  const bool fits = lines.size() <= rows;
  const size_t shown = fits ? lines.size() : rows - 1;

  std::string out;
  if (drawn_rows_ > 0) absl::StrAppend(&out, "\x1b[", drawn_rows_, "A\r\x1b[J");
  for (size_t i = 0; i < shown; ++i) absl::StrAppend(&out, Clip(lines[i], size.columns), "\n");
  if (!fits) {
    const std::string rest = absl::StrCat("... ", lines.size() - shown, " more lines");
    absl::StrAppend(&out, Clip(rest, size.columns), "\n");
  }
  drawn_rows_ = fits ? shown : shown + 1;
  return out;
}

}  // namespace paci::cli
