// `pacictl trace` in process, against a server that says what the test wants; and the document that
// it makes.

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "cli/format/job_trace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/test_folder.h"
#include "tests/support/trace_rules.h"
#include "tests/unit/cli/scripted_coordinator.h"

namespace paci::cli {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

constexpr int64_t kOrigin = 1'700'000'000'000'000'000;

void AddSpan(v1::StageTrace& stage, v1::SpanKind kind, uint64_t index, int64_t begin,
             uint64_t duration) {
  v1::Span& span = *stage.add_spans();
  span.set_kind(kind);
  span.set_index(index);
  span.set_begin_nanos(begin);
  span.set_duration_nanos(duration);
}

// Two stages whose clocks are 5 s apart. Stage 0 sends two activations, the second queued while the
// first is on its way; stage 1 uses one of them and sends its gradient back.
std::vector<v1::StageTrace> TwoStages() {
  std::vector<v1::StageTrace> stages(2);
  for (int i = 0; i < 2; ++i) {
    stages[i].set_stage(i);
    stages[i].set_worker_name(absl::StrCat("w", i));
    stages[i].set_origin_unix_nanos(kOrigin + 5'000'000'000 * i);
    stages[i].set_clock_offset_nanos(-5'000'000'000 * i);
    stages[i].set_clock_error_nanos(1000 + 500 * i);
  }
  AddSpan(stages[0], v1::SPAN_KIND_FORWARD, 0, -100, 1100);
  AddSpan(stages[0], v1::SPAN_KIND_FORWARD, 1, 1000, 1000);
  AddSpan(stages[0], v1::SPAN_KIND_SEND_ACTIVATION, 0, 900, 3000);
  AddSpan(stages[0], v1::SPAN_KIND_SEND_ACTIVATION, 1, 2000, 3000);
  AddSpan(stages[0], v1::SPAN_KIND_WAIT_GRADIENT, 0, 2000, 5000);
  AddSpan(stages[0], v1::SPAN_KIND_RECEIVE_GRADIENT, 0, 6900, 0);
  AddSpan(stages[0], v1::SPAN_KIND_BACKWARD, 0, 7000, 1000);
  AddSpan(stages[0], v1::SPAN_KIND_UPDATE, 4, 8000, 10);
  AddSpan(stages[1], v1::SPAN_KIND_WAIT_ACTIVATION, 0, 0, 4000);
  AddSpan(stages[1], v1::SPAN_KIND_RECEIVE_ACTIVATION, 0, 3950, 0);
  AddSpan(stages[1], v1::SPAN_KIND_FORWARD, 0, 4000, 1000);
  AddSpan(stages[1], v1::SPAN_KIND_BACKWARD, 0, 5000, 1000);
  AddSpan(stages[1], v1::SPAN_KIND_SEND_GRADIENT, 0, 5900, 900);
  return stages;
}

Json Document(const std::vector<v1::StageTrace>& parts) {
  Json document = Json::parse(ToChromeTrace(MakeJobTrace("tiny-1", parts)));
  EXPECT_EQ(BrokenTraceRule(document), "");
  return document;
}

const Json* FindEvent(const Json& document, const std::string& phase, const std::string& name,
                      int process) {
  for (const Json& event : document["traceEvents"]) {
    if (event["ph"] == phase && event["name"] == name && event["pid"] == process) return &event;
  }
  ADD_FAILURE() << "no event " << phase << " " << name << " of " << process;
  static const Json none = {{"ts", -1}, {"dur", -1}, {"tid", -1}, {"cat", ""}};
  return &none;
}

TEST(JobTrace, IsOnOneClockThatBeginsWithTheFirstSpan) {
  const Json document = Document(TwoStages());
  EXPECT_EQ((*FindEvent(document, "X", "F0", 0))["ts"], 0.0);
  EXPECT_EQ((*FindEvent(document, "X", "F1", 0))["ts"], 1.1);
  EXPECT_EQ((*FindEvent(document, "X", "F0", 1))["ts"], 4.1);
  EXPECT_EQ((*FindEvent(document, "X", "S4", 0))["dur"], 0.01);
  EXPECT_EQ((*FindEvent(document, "X", "S4", 0))["cat"], "update");
  EXPECT_EQ(document["otherData"]["job"], "tiny-1");
  EXPECT_EQ(document["otherData"]["clock_error_us"], "2.500");
  EXPECT_EQ(document["otherData"]["stage 1"],
            "worker w1; clock set by -5000000.0 us, give or take 1.5 us");
}

TEST(JobTrace, WaitsAreNamedByWhatIsWaitedFor) {
  const Json document = Document(TwoStages());
  EXPECT_EQ((*FindEvent(document, "X", "wait for gradient 0", 0))["cat"], "wait");
  EXPECT_EQ((*FindEvent(document, "X", "wait for activation 0", 1))["dur"], 4.0);
}

TEST(JobTrace, WhatTheWindowCutOffSaysThatItGoesOn) {
  std::vector<v1::StageTrace> stages = TwoStages();
  AddSpan(stages[0], v1::SPAN_KIND_WAIT_GRADIENT, 1, 8010, 100'000);
  stages[0].mutable_spans()->rbegin()->set_goes_on(true);
  const Json document = Document(stages);
  EXPECT_EQ((*FindEvent(document, "X", "wait for gradient 1 (goes on)", 0))["dur"], 100.0);
}

TEST(JobTrace, FramesLeaveOneAfterAnotherOnARowOfTheirOwn) {
  const Json document = Document(TwoStages());
  const Json& first = *FindEvent(document, "X", "activation 0", 0);
  const Json& second = *FindEvent(document, "X", "activation 1", 0);
  EXPECT_EQ(first["tid"], second["tid"]);
  EXPECT_NE(first["tid"], (*FindEvent(document, "X", "F0", 0))["tid"]);
  EXPECT_EQ(first["ts"], 1.0);
  EXPECT_EQ(first["args"]["queued_us"], 0);
  EXPECT_EQ(second["ts"], 4.0);  // when the first had left
  EXPECT_EQ(second["dur"], 1.1);
  EXPECT_EQ(second["args"]["queued_us"], 1);
  EXPECT_EQ((*FindEvent(document, "i", "activation 0", 1))["ts"], 4.05);
}

TEST(JobTrace, AnArrowGoesFromAFrameToTheActionThatItWasFor) {
  const Json document = Document(TwoStages());
  const Json& begin = *FindEvent(document, "s", "activation 0", 0);
  const Json& end = *FindEvent(document, "f", "activation 0", 1);
  EXPECT_EQ(begin["id"], end["id"]);
  EXPECT_EQ(end["ts"], (*FindEvent(document, "X", "F0", 1))["ts"]);
  EXPECT_EQ((*FindEvent(document, "f", "gradient 0", 0))["ts"],
            (*FindEvent(document, "X", "B0", 0))["ts"]);
  // Activation 1 was not used in the window.
  for (const Json& event : document["traceEvents"]) {
    EXPECT_FALSE(event["ph"] == "s" && event["name"] == "activation 1");
  }
}

// With several model chunks a stage, frames go round from the last stage to the first.
TEST(JobTrace, AChunkIsNamedAndItsFramesFindIt) {
  std::vector<v1::StageTrace> stages = TwoStages();
  AddSpan(stages[1], v1::SPAN_KIND_SEND_ACTIVATION, 0, 6000, 100);
  AddSpan(stages[0], v1::SPAN_KIND_FORWARD, 0, 9000, 1000);
  for (v1::StageTrace& stage : stages) stage.mutable_spans()->rbegin()->set_chunk(1);
  const Json document = Document(stages);
  EXPECT_EQ((*FindEvent(document, "f", "activation 0.1", 0))["ts"],
            (*FindEvent(document, "X", "F0.1", 0))["ts"]);
  EXPECT_EQ((*FindEvent(document, "f", "activation 0", 1))["ts"],
            (*FindEvent(document, "X", "F0", 1))["ts"]);
}

// Clocks are off by up to their error: no arrow goes back in time, and none ends beside its slice.
TEST(JobTrace, AFrameThatSeemsToBeUsedBeforeItWasSentBreaksNoRule) {
  for (const int64_t off : {-3'000, -4'000, -5'000, -100'000, 100'000}) {
    std::vector<v1::StageTrace> stages = TwoStages();
    stages[1].set_clock_offset_nanos(stages[1].clock_offset_nanos() + off);
    Document(stages);
  }
}

TEST(JobTrace, EveryKindOfSpanHasALook) {
  v1::StageTrace stage;
  std::set<std::string> names;
  for (int kind = v1::SpanKind_MIN + 1; kind <= v1::SpanKind_MAX; ++kind) {
    AddSpan(stage, static_cast<v1::SpanKind>(kind), 3, kind * 10, 5);
  }
  const Json document = Document({stage});
  for (const Json& event : document["traceEvents"]) {
    if (event["ph"] == "M") continue;
    EXPECT_NE(event["cat"], "unknown") << event;
    names.insert(absl::StrCat(event["tid"].get<int>(), event["name"].get<std::string>()));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(v1::SpanKind_MAX));
}

TEST(JobTrace, PartsOfAStageFollowEachOther) {
  std::vector<v1::StageTrace> parts = TwoStages();
  v1::StageTrace more = parts[0];
  more.clear_spans();
  AddSpan(more, v1::SPAN_KIND_FORWARD, 2, 9000, 10);
  parts.insert(parts.begin() + 1, more);
  const JobTrace trace = MakeJobTrace("tiny-1", parts);
  ASSERT_EQ(trace.stages.size(), 2u);
  EXPECT_EQ(trace.stages[0].spans_size(), 9);
  EXPECT_EQ(trace.stages[0].worker_name(), "w0");
  EXPECT_EQ(trace.stages[0].spans(8).index(), 2u);
}

class TraceCommand : public testing::Test {
 protected:
  TraceCommand() {
    coordinator_.get = [](const v1::GetJobRequest& request, v1::Job* job) {
      job->set_id(request.job_id());
      return grpc::Status::OK;
    };
  }
  void Answer(std::vector<v1::StageTrace> parts) {
    coordinator_.trace = [this, parts = std::move(parts)](const v1::TraceJobRequest& request,
                                                          ScriptedCoordinator::TraceWriter* to) {
      sent_ = request;
      for (const v1::StageTrace& part : parts) to->Write(part);
      return grpc::Status::OK;
    };
  }
  CommandResult Run(std::vector<std::string> args) {
    args.insert(args.begin(), {"trace", "tiny-1"});
    return RunAgainst(coordinator_, std::move(args));
  }

  ScriptedCoordinator coordinator_;
  v1::TraceJobRequest sent_;
};

TEST_F(TraceCommand, PrintsTheTraceOrWritesItAndSaysWhatIsInIt) {
  Answer(TwoStages());
  const CommandResult printed = Run({});
  EXPECT_EQ(printed.code, 0) << printed.err;
  EXPECT_EQ(BrokenTraceRule(Json::parse(printed.out)), "");
  EXPECT_EQ(Run({"--file", "-", "-o", "json"}).out, printed.out);

  const TestFolder folder;
  const std::string path = folder.path() + "/trace.json";
  const CommandResult written = Run({"--file", path});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(ReadFile(path), printed.out);
  EXPECT_EQ(written.out, absl::StrCat("stage 0 on w0: 8 spans over 0.000 s\n"
                                      "stage 1 on w1: 5 spans over 0.000 s\n"
                                      "clocks agree within 2.5 us\n",
                                      path, " is for ui.perfetto.dev or chrome://tracing\n"));
}

TEST_F(TraceCommand, AsksForTheWindow) {
  Answer(TwoStages());
  Run({});
  EXPECT_EQ(sent_.updates(), 2u);
  EXPECT_EQ(sent_.seconds(), 0);
  Run({"--updates", "7"});
  EXPECT_EQ(sent_.updates(), 7u);
  EXPECT_EQ(sent_.seconds(), 0);
  Run({"--for", "500ms"});
  EXPECT_EQ(sent_.updates(), 0u);
  EXPECT_EQ(sent_.seconds(), 0.5);
  Run({"--for", "5s", "--updates", "1"});
  EXPECT_EQ(sent_.updates(), 1u);
  EXPECT_EQ(sent_.seconds(), 5);
}

TEST_F(TraceCommand, AStageThatIsMissingIsNamedAndTheOthersAreWritten) {
  std::vector<v1::StageTrace> stages = TwoStages();
  stages[1].clear_spans();
  stages[1].set_error("its worker did not say its time within 5s");
  Answer(stages);
  const CommandResult result = Run({});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "pacictl: the trace lacks 1 of 2 stages\n"
            "pacictl: stage 1 on w1: its worker did not say its time within 5s\n");
  const Json document = Json::parse(result.out);
  EXPECT_EQ(BrokenTraceRule(document), "");
  EXPECT_THAT(document["otherData"]["stage 1"].get<std::string>(), HasSubstr("; missing: "));
  FindEvent(document, "X", "F0", 0);
}

TEST_F(TraceCommand, WhenEveryStageIsMissingThereIsNoTrace) {
  std::vector<v1::StageTrace> stages(1);
  stages[0].set_worker_name("w0");
  stages[0].set_error("why");
  Answer(stages);
  const TestFolder folder;
  const CommandResult result = Run({"--file", folder.path() + "/trace.json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("stage 0 on w0: why"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/trace.json"));
}

TEST_F(TraceCommand, AWindowThatWasCutShortIsSaidAndNoError) {
  std::vector<v1::StageTrace> stages = TwoStages();
  stages[0].set_cut_short("its 8 spans were used up");
  Answer(stages);
  const CommandResult result = Run({});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "pacictl: cut short: stage 0 on w0: its 8 spans were used up\n");
}

TEST_F(TraceCommand, WhatTheCoordinatorRefusesIsPrinted) {
  coordinator_.trace = [](const v1::TraceJobRequest&, ScriptedCoordinator::TraceWriter*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "job tiny-1 is Paused: resume it");
  };
  const CommandResult result = Run({});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "pacictl: job tiny-1 is Paused: resume it\n");
}

TEST_F(TraceCommand, ACoordinatorThatEndsMeanwhileCostsTheTraceAlone) {
  coordinator_.trace = [](const v1::TraceJobRequest&, ScriptedCoordinator::TraceWriter* to) {
    to->Write(TwoStages()[0]);
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the coordinator is ending");
  };
  const CommandResult result = Run({});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("the coordinator is ending"));
  EXPECT_THAT(result.err, HasSubstr("\npacictl: the trace is lost, the job goes on; ask for "));
}

TEST_F(TraceCommand, EachMistakeNamesItsOption) {
  Answer(TwoStages());
  const auto expect_usage_error = [&](std::vector<std::string> args, const std::string& error) {
    const CommandResult result = Run(std::move(args));
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("pacictl: " + error));
  };
  expect_usage_error({"--updates", "0"}, "--updates: \"0\" is not right; ");
  expect_usage_error({"--updates", "-3"}, "--updates: \"-3\" is not right; ");
  expect_usage_error({"--for", "soon"}, "--for: \"soon\" is not a duration; ");
  expect_usage_error({"--for", "0s"}, "--for: expected a time above 0");
  expect_usage_error({"--file", "trace.json", "-o", "json"}, "--file is for -o table");
  const CommandResult unwritable = Run({"--file", "/nowhere/trace.json"});
  EXPECT_EQ(unwritable.code, 1);
  EXPECT_EQ(unwritable.err,
            "pacictl: --file: /nowhere/trace.json cannot be written: No such file or directory\n");
}

}  // namespace
}  // namespace paci::cli
