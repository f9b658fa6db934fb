#include "common/config/job_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/config/job_file.h"
#include "common/config/job_key.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
constexpr char kPath[] = "docs/job-file.md";

TEST(JobReference, IsTheCommittedOne) {
  if (std::getenv("PACI_REGENERATE") != nullptr) std::ofstream(kPath) << JobFileReference();
  std::ifstream in(kPath);
  std::stringstream committed;
  committed << in.rdbuf();
  EXPECT_EQ(committed.str(), JobFileReference())
      << kPath << " is not what the tables say; PACI_REGENERATE=1 writes it anew";
}

TEST(JobReference, HasEveryKey) {
  const std::string reference = JobFileReference();
  for (const JobKey& key : JobKeys()) {
    EXPECT_THAT(reference, HasSubstr(absl::StrCat("| `", key.name(), "` | "))) << key.path;
  }
}

TEST(JobReference, ItsExampleIsAValidJob) {
  const auto spec = ParseJobFile(ExampleJobFile(), "example.yaml", {});
  EXPECT_TRUE(spec.ok()) << spec.status();
}

}  // namespace
}  // namespace paci
