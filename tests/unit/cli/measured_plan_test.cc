// `pacictl plan --measured-by`, in process, against a server that knows one job.

#include <google/protobuf/util/json_util.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/scripted_coordinator.h"
#include "tests/unit/cli/testdata.h"

namespace paci::cli {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

// A job of two stages that ran for 20 updates.
v1::Job JobThatRan() {
  v1::Job job;
  job.set_id("tiny-1");
  const CommandResult spec = RunBinary(
      {"validate", "tests/unit/cli/testdata/job.yaml", "--set", "pipeline.stages=2", "-o", "json"});
  EXPECT_EQ(spec.code, 0) << spec.err;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(spec.out, job.mutable_spec()).ok());
  const uint32_t units = job.spec().model().layers() + 2;
  for (uint32_t i = 0; i < 2; ++i) {
    v1::StageStatus& stage = *job.add_stages();
    stage.set_index(i);
    stage.add_chunks()->set_first_unit(i * units / 2);
    stage.mutable_chunks(0)->set_end_unit((i + 1) * units / 2);
    stage.set_forwards(160);
    stage.set_backwards(160);
    stage.set_updates(20);
    stage.mutable_activity()->set_forward(160 * 0.001);
    stage.mutable_activity()->set_backward(160 * 0.002);
  }
  return job;
}

class MeasuredPlan : public testing::Test {
 protected:
  MeasuredPlan() {
    coordinator_.get = [this](const v1::GetJobRequest& request, v1::Job* job) {
      *job = job_;
      return request.job_id() == job_.id()
                 ? grpc::Status::OK
                 : grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no such job");
    };
  }
  CommandResult Run(std::vector<std::string> args) {
    args.insert(args.begin(), "plan");
    return RunAgainst(coordinator_, std::move(args));
  }

  v1::Job job_ = JobThatRan();
  ScriptedCoordinator coordinator_;
};

TEST_F(MeasuredPlan, PlansTheJobItselfOrTheFileThatIsGiven) {
  const CommandResult own = Run({"--measured-by", "tiny-1", "--schedules", "paci", "-o", "json"});
  EXPECT_EQ(own.code, 0) << own.err;
  const Json plan = Json::parse(own.out);
  EXPECT_EQ(plan["costs"], "seconds that the workers of job tiny-1 measured over 20 updates");
  const v1::JobSpec& spec = job_.spec();
  EXPECT_NEAR(plan["choices"][0]["tokens_per_second"].get<double>(),
              spec.pipeline().micro_batch() * spec.model().context() / 0.003, 1e-3);

  const CommandResult file = Run({"tests/unit/cli/testdata/job.yaml", "--measured-by", "tiny-1",
                                  "--schedules", "paci,1f1b", "--stages", "1", "-o", "json"});
  EXPECT_EQ(file.code, 0) << file.err;
  EXPECT_NEAR(Json::parse(file.out)["choices"][0]["tokens_per_second"].get<double>(),
              spec.pipeline().micro_batch() * spec.model().context() / 0.006, 1e-3);
}

TEST_F(MeasuredPlan, SaysWhyAJobsSecondsAreNoCosts) {
  EXPECT_EQ(Run({"--measured-by", "ghost-1"}).code, 3);
  const CommandResult other = Run(
      {"tests/unit/cli/testdata/job.yaml", "--set", "model.hidden=64", "--measured-by", "tiny-1"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("model.hidden: "));
  job_.mutable_stages(0)->set_updates(4);
  const CommandResult early = Run({"--measured-by", "tiny-1"});
  EXPECT_EQ(early.code, 1);
  EXPECT_THAT(early.err, HasSubstr("has done 4 updates, of which 10 are needed"));
}

TEST_F(MeasuredPlan, EachMistakeIsAUsageError) {
  const auto expect_usage_error = [&](std::vector<std::string> args, const std::string& error) {
    const CommandResult result = Run(std::move(args));
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("pacictl: " + error));
  };
  expect_usage_error({}, "FILE is required, unless --measured-by names a job");
  expect_usage_error({"--measured-by", "tiny-1", "--costs", "costs.json"},
                     "--costs and --measured-by: give one of the two");
  expect_usage_error({"--measured-by", "tiny-1", "--set", "model.hidden=64"},
                     "--set is for a FILE");
}

}  // namespace
}  // namespace paci::cli
