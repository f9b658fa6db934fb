#include "tests/support/session_pipeline.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

class StageEngine final : public Engine {
 public:
  explicit StageEngine(MakeStage make) : make_(std::move(make)) {}

  absl::StatusOr<std::unique_ptr<StageCompute>> MakeCompute(const v1::PrepareStage& command,
                                                            const StateCopy* state) override {
    return make_(command, state);
  }
  absl::StatusOr<v1::LayerCosts> MeasureLayers(const v1::JobSpec&) override { return None(); }
  absl::Status CommitCheckpoint(const v1::JobSpec&, const v1::CommitCheckpoint&) override {
    return None();
  }
  absl::StatusOr<v1::GenerateResponse> Generate(const v1::GenerateText&) override { return None(); }

 private:
  static absl::Status None() { return absl::UnimplementedError("not part of this test"); }

  const MakeStage make_;
};

v1::PrepareStage MakePrepare(const v1::JobSpec& spec, const std::vector<uint32_t>& units_per_part,
                             const std::vector<Transport*>& transports) {
  v1::PrepareStage command;
  command.mutable_key()->set_job_id("test-1");
  command.mutable_key()->set_generation(1);
  *command.mutable_spec() = spec;
  command.set_secret("the stages' secret");
  command.set_connect_seconds(60);
  for (uint32_t i = 0; i < transports.size(); ++i) {
    v1::StageAssignment& assignment = *command.add_assignments();
    assignment.set_stage(i);
    assignment.set_data_address(transports[i]->address());
    assignment.set_worker_id(absl::StrCat("worker-", i));
  }
  uint32_t unit = 0;
  for (size_t part = 0; part < units_per_part.size(); ++part) {
    auto& assignment = *command.mutable_assignments(static_cast<int>(part % transports.size()));
    v1::UnitRange& chunk = *assignment.add_chunks();
    chunk.set_first_unit(unit);
    chunk.set_end_unit(unit += units_per_part[part]);
  }
  return command;
}

}  // namespace

std::unique_ptr<Engine> MakeStageEngine(MakeStage make) {
  return std::make_unique<StageEngine>(std::move(make));
}

SessionPipeline::SessionPipeline(const v1::JobSpec& spec,
                                 const std::vector<uint32_t>& units_per_part,
                                 const std::vector<Transport*>& transports, Engine* engine,
                                 const v1::Checkpoint* resume_from) {
  v1::PrepareStage command = MakePrepare(spec, units_per_part, transports);
  if (resume_from != nullptr) {
    *command.mutable_resume_from() = *resume_from;
    command.set_first_update(resume_from->update());
  }
  const auto on_change = [this] { absl::MutexLock lock(&mutex_); };
  for (uint32_t i = 0; i < transports.size(); ++i) {
    command.mutable_key()->set_stage(i);
    sessions_.push_back(std::make_unique<StageSession>(
        command, Inheritance(), absl::StrCat("worker-", i), transports[i], engine, on_change));
  }
}

void SessionPipeline::Start() {
  for (const auto& session : sessions_) {
    if (session->AwaitPrepared().ok()) (void)session->Start();
  }
}

std::vector<v1::StageReport> SessionPipeline::AwaitEnd() {
  std::vector<v1::StageReport> reports;
  for (const auto& session : sessions_) {
    absl::MutexLock lock(&mutex_);
    const auto is_over = [&] { return session->IsOver(); };
    mutex_.Await(absl::Condition(&is_over));
    reports.push_back(session->MakeReport());
  }
  return reports;
}

std::vector<v1::StageReport> RunPipeline(const v1::JobSpec& spec,
                                         const std::vector<uint32_t>& units_per_part,
                                         const std::vector<Transport*>& transports, Engine* engine,
                                         const v1::Checkpoint* resume_from) {
  SessionPipeline pipeline(spec, units_per_part, transports, engine, resume_from);
  pipeline.Start();
  return pipeline.AwaitEnd();
}

}  // namespace paci
