#include "tests/unit/cli/testdata.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace paci::cli {
namespace {

constexpr char kFolder[] = "tests/unit/cli/testdata/";

// Tests run in the project's root.
bool Regenerates() {
  const char* value = std::getenv("PACI_REGENERATE");
  return value != nullptr && std::string(value) == "1";
}

}  // namespace

std::string ReadProjectFile(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path << " cannot be read; tests run in the project's root";
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void ReadMessage(const std::string& name, google::protobuf::Message* message) {
  const std::string path = kFolder + name + ".txtpb";
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(ReadProjectFile(path), message))
      << path;
}

void ExpectFile(const std::string& path, const std::string& actual) {
  if (Regenerates()) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(ReadProjectFile(path), actual)
      << path << " differs; if the new text is right, run again with PACI_REGENERATE=1";
}

void ExpectGolden(const std::string& name, const std::string& actual) {
  ExpectFile(kFolder + name + ".golden", actual);
}

}  // namespace paci::cli
