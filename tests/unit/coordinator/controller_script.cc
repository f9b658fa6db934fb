#include "tests/unit/coordinator/controller_script.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/config/best_checkpoint.h"
#include "coordinator/job/event_types.h"
#include "tests/unit/coordinator/script_command.h"
#include "tests/unit/coordinator/script_status.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

// The value of KEY=VALUE among the words.
std::string Get(const std::vector<std::string>& words, const std::string& key,
                const std::string& otherwise = "") {
  for (const std::string& word : words) {
    if (absl::StartsWith(word, key + "=")) {
      return absl::StrReplaceAll(word.substr(key.size() + 1), {{"_", " "}});
    }
  }
  return otherwise;
}

uint64_t GetNumber(const std::vector<std::string>& words, const std::string& key,
                   uint64_t otherwise) {
  uint64_t value = otherwise;
  const std::string text = Get(words, key);
  EXPECT_TRUE(text.empty() || absl::SimpleAtoi(text, &value)) << key;
  return value;
}

bool Has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

absl::StatusCode CodeNamed(const std::string& name) {
  for (int code = 0; code <= 16; ++code) {
    if (absl::StatusCodeToString(static_cast<absl::StatusCode>(code)) == name) {
      return static_cast<absl::StatusCode>(code);
    }
  }
  ADD_FAILURE() << name << " is no status code";
  return absl::StatusCode::kUnknown;
}

std::string Summary(const v1::Job& job) {
  std::string text =
      absl::StrCat("job ", job.id(), " ", std::string(ToString(job.state())), ", generation ",
                   job.generation(), ", ", job.progress().updates(), " updates, stages");
  for (const v1::StageStatus& stage : job.stages()) {
    const std::string state = v1::StageState_Name(stage.state());
    absl::StrAppend(&text, " ", stage.worker_name(), ":", state.substr(strlen("STAGE_STATE_")));
  }
  if (!job.checkpoint().empty()) absl::StrAppend(&text, ", checkpoint ", job.checkpoint());
  return text;
}

}  // namespace

ControllerScript::ControllerScript(std::string store_path) : store_path_(std::move(store_path)) {
  Open();
}

void ControllerScript::Open() {
  controller_.reset();
  store_.reset();
  store_ = JobStore::Open(store_path_).value();
  ControllerOptions options;
  options.make_secret = [] { return "secret"; };
  options.tracing.exchanges = 1;
  controller_ = std::make_unique<Controller>(options, store_->Load().value(), now_);
  streams_.clear();
  for (auto& [name, worker] : workers_) worker.stream = 0;
}

std::string ControllerScript::Run(const std::string& script) {
  for (const absl::string_view line : absl::StrSplit(script, '\n')) {
    if (absl::StartsWith(line, "  ")) continue;  // a trace
    out_ << line << "\n";
    if (line.empty() || line[0] == '#') continue;
    Do(absl::StrSplit(line, ' ', absl::SkipEmpty()));
    TakeEffects();
  }
  std::string text = out_.str();
  while (absl::EndsWith(text, "\n\n")) text.pop_back();
  return text;
}

void ControllerScript::Do(const Words& words) {
  if (words[0] == "restart") {
    now_ += absl::Seconds(1);
    return Open();
  }
  if (words[0] == "ticks") return Ticks(std::stod(words[1]));
  if (words[0] == "workers") {
    for (const v1::Worker& worker : controller_->Workers()) {
      const std::string state = v1::WorkerState_Name(worker.state());
      Line(absl::StrCat(worker.name(), " ", state.substr(strlen("WORKER_STATE_")),
                        worker.job_id().empty() ? "" : " " + worker.job_id()));
    }
    return;
  }
  const bool is_of_worker =
      Has({"hello", "lose", "silence", "speak", "report", "result", "leaving"}, words[0]);
  is_of_worker ? DoForWorker(words) : DoForUser(words);
}

void ControllerScript::DoForUser(const Words& words) {
  const std::string& verb = words[0];
  if (verb == "submit") return Submit(words);
  if (verb == "generate") return Generate(words);
  if (verb == "trace") return Trace(words);
  if (verb == "diagnose") return Diagnose(words[1]);
  if (verb == "abandon") return controller_->AbandonTrace(std::stoul(words[1]));
  if (verb == "drain") return ShowStatus(controller_->Drain(words[1], now_).status());
  if (verb == "cancel") return ShowStatus(controller_->Cancel(words[1], now_).status());
  if (verb == "rescale") {
    return ShowStatus(controller_->Rescale(words[1], std::stoul(words[2]), now_).status());
  }
  if (verb == "pause") return ShowStatus(controller_->Pause(words[1], now_).status());
  if (verb == "resume") return ShowStatus(controller_->Resume(words[1], now_).status());
  if (verb == "delete") return ShowStatus(controller_->Delete(words[1], now_));
  ASSERT_EQ(verb, "show");
  const absl::StatusOr<v1::Job> job = controller_->Get(words[1]);
  ShowStatus(job.status());
  if (!job.ok()) return;
  Line(absl::StrCat(Summary(*job), ": ", job->reason()));
  for (const v1::Checkpoint& kept : job->checkpoints()) {
    if (!kept.has_validation_loss()) continue;
    const bool is_best = &kept == BestCheckpoint(*job);
    Line(absl::StrCat("keeps update ", kept.update(), ", validation ", kept.validation_loss(),
                      is_best ? ", the best" : ""));
  }
}

void ControllerScript::Submit(const Words& words) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() =
      SmallSpec(words[1], GetNumber(words, "stages", 2), GetNumber(words, "updates", 10));
  v1::JobSpec& spec = *request.mutable_spec();
  spec.mutable_checkpoint()->set_dir(Get(words, "dir"));
  spec.mutable_checkpoint()->set_every(GetNumber(words, "every", 0));
  spec.mutable_checkpoint()->set_keep(GetNumber(words, "keep", spec.checkpoint().keep()));
  spec.mutable_checkpoint()->set_keep_best(Has(words, "best"));
  spec.mutable_recovery()->set_max_restarts(GetNumber(words, "restarts", 0));
  spec.mutable_recovery()->set_min_stages(GetNumber(words, "min_stages", 0));
  spec.mutable_recovery()->set_replacement_seconds(
      GetNumber(words, "patience", spec.recovery().replacement_seconds()));
  if (Has(words, "fast")) spec.mutable_recovery()->set_mode(v1::RECOVERY_MODE_FAST);
  spec.mutable_recovery()->set_stall_seconds(GetNumber(words, "stall", 0));
  spec.mutable_recovery()->set_max_skipped_updates(GetNumber(words, "skips", 0));
  spec.mutable_train()->set_device(Get(words, "device", "cpu"));
  if (Get(words, "by") == "measured") {
    spec.mutable_pipeline()->set_partition_by(v1::PARTITION_BY_MEASURED);
  }
  if (Get(words, "tokenizer") == "uint16") {
    spec.mutable_data()->set_tokenizer(v1::TOKENIZER_UINT16);
  }
  const std::string schedule = Get(words, "schedule", spec.pipeline().schedule());
  spec.mutable_pipeline()->set_schedule(schedule);
  spec.mutable_pipeline()->set_accumulation(
      GetNumber(words, "accumulation", spec.pipeline().accumulation()));
  spec.mutable_pipeline()->set_drift_limit(std::stod(Get(words, "drift_limit", "0")));
  spec.mutable_model()->set_hidden(GetNumber(words, "hidden", spec.model().hidden()));
  if (const std::vector<std::string> from = absl::StrSplit(Get(words, "from"), '@');
      from.size() == 2) {
    request.mutable_resume_from()->set_directory(from[0]);
    request.mutable_resume_from()->set_update(std::stoul(from[1]));
  }
  request.set_request_id(Get(words, "request"));
  const absl::StatusOr<v1::Job> job = controller_->Submit(request, now_);
  ShowStatus(job.status());
  if (job.ok()) Line(absl::StrCat("answered ", job->id()));
}

void ControllerScript::Generate(const Words& words) {
  v1::GenerateRequest request;
  request.set_job_id(words[1]);
  request.set_max_tokens(GetNumber(words, "tokens", 10));
  request.set_temperature(std::stod(Get(words, "temperature", "1")));
  request.set_top_p(std::stod(Get(words, "top_p", "0")));
  request.set_from_best(Has(words, "best"));
  if (words.size() > 2 && absl::StartsWith(words[2], "id=")) {
    request.add_prompt_tokens(GetNumber(words, "id", 0));
  }
  ShowStatus(controller_->Generate(next_ticket_++, request, now_ + absl::Seconds(60), now_));
}

void ControllerScript::Trace(const Words& words) {
  v1::TraceJobRequest request;
  request.set_job_id(words[1]);
  request.set_updates(GetNumber(words, "updates", 2));
  ShowStatus(controller_->Trace(next_trace_++, request, now_));
}

void ControllerScript::Diagnose(const std::string& job_id) {
  const absl::StatusOr<v1::Diagnosis> diagnosis = controller_->Diagnose(job_id, now_);
  ShowStatus(diagnosis.status());
  if (!diagnosis.ok()) return;
  Line(absl::StrCat(diagnosis->summary(), diagnosis->has_cause() ? "; cause " : "",
                    diagnosis->has_cause() ? absl::StrCat(diagnosis->cause()) : ""));
  for (const v1::StageDiagnosis& stage : diagnosis->stages()) {
    Line(absl::StrCat("stage ", stage.stage(), " on ", stage.worker_name(), " ", stage.what()));
  }
}

void ControllerScript::DoForWorker(const Words& words) {
  FakeWorker& from = worker(words[1]);
  if (words[0] == "hello") return Hello(words);
  if (words[0] == "report") return Report(words);
  if (words[0] == "result") return Result(words);
  if (words[0] == "lose") {
    return controller_->OnStreamLost(std::exchange(from.stream, 0), "its stream broke", now_);
  }
  if (words[0] == "leaving") {
    v1::WorkerMessage message;
    message.mutable_leaving()->set_reason(absl::StrReplaceAll(words[2], {{"_", " "}}));
    return controller_->OnMessage(from.stream, message, now_);
  }
  from.is_silent = words[0] == "silence";
}

void ControllerScript::Hello(const Words& words) {
  FakeWorker& from = worker(words[1]);
  from.stream = next_stream_++;
  streams_[from.stream] = words[1];
  v1::WorkerMessage message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_worker_id(Get(words, "id", "id-" + words[1]));
  hello.set_worker_name(words[1]);
  hello.mutable_info()->set_device(Get(words, "device", "cpu"));
  hello.mutable_info()->set_data_address(words[1] + ":1");
  if (Has(words, "holding")) {
    from.report.set_sequence(from.report.sequence() + 1);
    *hello.mutable_running() = from.report;
  }
  controller_->OnMessage(from.stream, message, now_);
}

void ControllerScript::Report(const Words& words) {
  FakeWorker& from = worker(words[1]);
  v1::StageReport& report = from.report;
  report.clear_points();
  report.set_sequence(GetNumber(words, "sequence", report.sequence() + 1));
  v1::StageState state = v1::STAGE_STATE_UNSPECIFIED;
  ASSERT_TRUE(v1::StageState_Parse("STAGE_STATE_" + words[2], &state)) << words[2];
  report.mutable_status()->set_state(state);
  report.mutable_status()->set_updates(GetNumber(words, "updates", report.status().updates()));
  report.mutable_status()->set_error(
      absl::StrReplaceAll(Get(words, "error"), {{":", ": "}, {"DATA LOSS", "DATA_LOSS"}}));
  report.mutable_status()->set_skipped_updates(
      GetNumber(words, "skipped", report.status().skipped_updates()));
  SetStanding([&](const std::string& key) { return Get(words, key); }, *report.mutable_status());
  if (const uint64_t copy = GetNumber(words, "copy", 0)) {
    report.mutable_status()->set_copy_update(copy);
  }
  report.set_held(Has(words, "held"));
  const std::vector<std::string> range = absl::StrSplit(Get(words, "points", "1-0"), '-');
  for (uint64_t i = std::stoul(range[0]); i <= std::stoul(range[1]); ++i) {
    v1::MetricPoint& point = *report.add_points();
    point.set_update(i);
    point.set_loss(1.0 / static_cast<double>(i));
  }
  if (const uint64_t part = GetNumber(words, "part", 0)) {
    v1::CheckpointPart& reported = *report.add_checkpoints();
    reported.set_update(part);
    reported.set_error(absl::StrReplaceAll(Get(words, "part_error"), {{"_", " "}}));
    if (reported.error().empty()) reported.add_files()->set_path(words[1] + ".safetensors");
    const std::string loss = Get(words, "validation");
    if (!loss.empty()) reported.set_validation_loss(std::stod(loss));
    const std::string drift = Get(words, "drift");
    if (!drift.empty()) reported.set_drift(std::stod(drift));
  }
  v1::WorkerMessage message;
  *message.mutable_report() = report;
  if (const uint64_t generation = GetNumber(words, "generation", 0)) {
    message.mutable_report()->mutable_key()->set_generation(generation);
  }
  controller_->OnMessage(from.stream, message, now_);
}

void ControllerScript::Result(const Words& words) {
  FakeWorker& from = worker(words[1]);
  const std::vector<uint64_t>& ids = from.sent[words[2]];
  ASSERT_FALSE(ids.empty()) << words[1] << " was never sent " << words[2];
  v1::WorkerMessage message;
  v1::CommandResult& result = *message.mutable_result();
  result.set_id(Has(words, "first") ? ids.front() : ids.back());
  if (words.size() > 3 && absl::ascii_isupper(words[3][0])) {
    result.set_code(static_cast<int>(CodeNamed(words[3])));
    result.set_message("no luck");
  }
  if (const std::string at = Get(words, "at"); !at.empty()) {
    result.set_held_at_update(std::stoul(at));
  }
  if (const std::string costs = Get(words, "costs"); !costs.empty()) {
    const std::vector<std::string> parts = absl::StrSplit(costs, ',');
    result.mutable_layer_costs()->set_embedding_seconds(std::stod(parts[0]));
    result.mutable_layer_costs()->set_block_seconds(std::stod(parts[1]));
    result.mutable_layer_costs()->set_head_seconds(std::stod(parts[2]));
  }
  if (words[2] == "SyncClock" && result.code() == 0) {
    v1::ClockReading& clock = *result.mutable_clock();
    for (const auto set :
         {&v1::ClockReading::set_sent_unix_nanos, &v1::ClockReading::set_received_unix_nanos,
          &v1::ClockReading::set_answered_unix_nanos, &v1::ClockReading::set_returned_unix_nanos}) {
      (clock.*set)(absl::ToUnixNanos(now_));
    }
  }
  if (words[2] == "TraceStage" && result.code() == 0) {
    v1::WorkerMessage part;
    part.mutable_trace()->set_command_id(result.id());
    for (uint64_t i = 0; i < GetNumber(words, "spans", 1); ++i) {
      part.mutable_trace()->mutable_trace()->add_spans();
    }
    controller_->OnMessage(from.stream, part, now_);
  }
  if (words[2] == "GenerateText" && result.code() == 0) {
    result.mutable_generated()->set_text("text");
  }
  controller_->OnMessage(from.stream, message, now_);
}

void ControllerScript::Ticks(double seconds) {
  const absl::Time end = now_ + absl::Seconds(seconds);
  v1::WorkerMessage heartbeat;
  heartbeat.mutable_heartbeat();
  while (now_ < end) {
    now_ += absl::Milliseconds(100);
    for (const auto& [name, worker] : workers_) {
      if (worker.stream != 0 && !worker.is_silent) {
        controller_->OnMessage(worker.stream, heartbeat, now_);
      }
    }
    controller_->Tick(now_);
    TakeEffects();
  }
}

void ControllerScript::TakeEffects() {
  const Effects effects = controller_->TakeEffects();
  ASSERT_TRUE(store_->Apply(effects.writes).ok());
  for (const v1::Event& event : effects.writes.events) {
    Line(absl::StrCat("event ", event.job_id(), " ", event.type(), ": ", event.reason()));
    EXPECT_EQ(std::count(EventTypes().begin(), EventTypes().end(), event.type()), 1)
        << event.type();
  }
  for (const StoredJob& stored : effects.writes.jobs) {
    const std::string line = Summary(stored.job);
    if (std::exchange(shown_[stored.job.id()], line) != line) Line(line);
  }
  if (const auto& points = effects.writes.points; !points.empty()) {
    Line(absl::StrCat("points of ", points[0].job_id, " at ", points.front().point.update(), "..",
                      points.back().point.update()));
  }
  for (const std::string& id : effects.writes.deleted_jobs) Line("deleted " + id);
  for (const OutgoingMessage& outgoing : effects.messages) TakeMessage(outgoing);
  for (const ClosedStream& closed : effects.closed) {
    Line(absl::StrCat("close stream of ", NameOfStream(closed.stream), ": ",
                      closed.reason.ToString()));
    if (worker(streams_[closed.stream]).stream == closed.stream) {
      worker(streams_[closed.stream]).stream = 0;
    }
  }
  for (const GenerateOutcome& outcome : effects.generated) {
    Line(absl::StrCat(
        "generated for ", outcome.ticket, ": ",
        outcome.response.ok() ? outcome.response->text() : outcome.response.status().ToString()));
  }
  for (const TraceOutcome& outcome : effects.traced) {
    for (const v1::StageTrace& stage : outcome.stages) {
      Line(absl::StrCat("traced for ", outcome.ticket, ": stage ", stage.stage(), " on ",
                        stage.worker_name(), ": ", stage.spans_size(), " spans",
                        stage.error().empty() ? "" : "; " + stage.error()));
    }
  }
  for (const LogNote& note : effects.notes) {
    if (note.level >= LogLevel::kInfo) {
      Line(absl::StrCat("note ", note.worker, note.worker.empty() ? "" : ": ", note.message));
    }
  }
}

void ControllerScript::TakeMessage(const OutgoingMessage& outgoing) {
  const std::string name = NameOfStream(outgoing.stream);
  const v1::CoordinatorMessage& message = outgoing.message;
  if (message.has_command()) return TakeCommand(name, message.command());
  if (message.has_welcome()) {
    const bool release = message.welcome().release_stage();
    return Line(absl::StrCat("to ", name, ": Welcome", release ? ", release your stage" : ""));
  }
  Line(absl::StrCat("to ", name, ": ack ", message.ack().sequence()));
}

void ControllerScript::TakeCommand(const std::string& name, const v1::Command& command) {
  const std::string type(NameOf(command));
  worker(name).sent[type].push_back(command.id());
  if (command.has_prepare_stage()) {
    const v1::StageKey& key = command.prepare_stage().key();
    if (!IsSame(worker(name).report.key(), key)) worker(name).report.Clear();
    *worker(name).report.mutable_key() = key;
  }
  Line(absl::StrCat("to ", name, ": ", type, DescribeForScript(command)));
}

void ControllerScript::ShowStatus(const absl::Status& status) {
  if (!status.ok()) Line(absl::StrCat("error ", status.ToString()));
}

std::string ControllerScript::NameOfStream(StreamId stream) const {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return absl::StrCat("stream ", stream);
  return workers_.at(it->second).stream == stream ? it->second : it->second + " (old)";
}

}  // namespace paci
