// Wrong job files beside what is said of them: testdata/NAME.yaml and NAME.errors. A first line "#
// --set KEY=VALUE ..." gives overrides. PACI_REGENERATE=1 rewrites the .errors files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/config/job_file.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
constexpr char kFolder[] = "tests/unit/config/testdata";

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> OverridesOf(const std::string& text) {
  std::vector<std::string> overrides;
  const std::string first_line = text.substr(0, text.find('\n'));
  if (first_line.rfind("# --set ", 0) != 0) return overrides;
  for (absl::string_view word : absl::StrSplit(first_line.substr(2), ' ')) {
    if (word != "--set") overrides.emplace_back(word);
  }
  return overrides;
}

TEST(JobErrors, AreAsWritten) {
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    const std::string text = ReadFile(entry.path());
    const auto spec = ParseJobFile(text, entry.path().filename().string(), OverridesOf(text));
    const std::string actual =
        absl::StrCat(spec.ok() ? "no error" : std::string(spec.status().message()), "\n");
    fs::path golden = entry.path();
    golden.replace_extension(".errors");
    if (std::getenv("PACI_REGENERATE") != nullptr) std::ofstream(golden) << actual;
    EXPECT_EQ(actual, ReadFile(golden)) << golden;
  }
  EXPECT_GE(files, 5) << "run from the root of the repository";
}

}  // namespace
}  // namespace paci
