// The controller as scripts: testdata/*.txt hold what users and workers say, and below each line
// what the controller decides. PACI_REGENERATE=1 rewrites the decisions; read them as a diff.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/controller_script.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
constexpr char kFolder[] = "tests/unit/coordinator/testdata";

TEST(ControllerScript, EveryDecisionIsAsWritten) {
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    SCOPED_TRACE(entry.path());
    std::ifstream in(entry.path());
    std::stringstream read;
    read << in.rdbuf();
    const std::string expected = read.str();
    const std::string store =
        absl::StrCat(testing::TempDir(), "/script-", entry.path().stem().string(), ".db");
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) fs::remove(store + suffix);
    const std::string actual = ControllerScript(store).Run(expected);
    if (std::getenv("PACI_REGENERATE") != nullptr) {
      std::ofstream(entry.path()) << actual;
    } else {
      EXPECT_EQ(actual, expected);
    }
    ++files;
  }
  EXPECT_GE(files, 12);
}

}  // namespace
}  // namespace paci
