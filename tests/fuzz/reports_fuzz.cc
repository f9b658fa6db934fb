// What workers say to the coordinator, by the real controller: two workers that hold a job's stages
// and a third one say anything at any time. Whatever they say, a job keeps its spec, a worker holds
// one stage, and no generation goes down.
//
// An input is a row of turns: who (a byte), how many bytes he says (two bytes), and these: a
// v1::WorkerMessage. Who: 0 to 2 a worker, 3 a tenth of a second passes, 4 a stream breaks.
#include <cstdlib>
#include <set>

#include "coordinator/job/controller.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

constexpr StreamId kStreams[] = {1, 2, 3};

v1::WorkerMessage Hello(int worker) {
  v1::WorkerMessage message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_worker_id("id-" + std::to_string(worker));
  hello.set_worker_name("w" + std::to_string(worker));
  hello.mutable_info()->set_device("cpu");
  hello.mutable_info()->set_data_address("127.0.0.1:1");
  return message;
}

ControllerOptions Options() {
  ControllerOptions options;
  options.make_secret = [] { return std::string("secret"); };
  return options;
}

class Coordinator {
 public:
  Coordinator() : controller_(Options(), StoreContents(), now_) {
    for (int i = 0; i < 3; ++i) controller_.OnMessage(kStreams[i], Hello(i), now_);
    v1::SubmitJobRequest request;
    *request.mutable_spec() = SmallSpec("a", 2, 20);
    request.mutable_spec()->mutable_recovery()->set_max_restarts(1000);
    request.mutable_spec()->mutable_recovery()->set_window_seconds(3600);
    if (!controller_.Submit(request, now_).ok()) std::abort();
    Check();
  }

  void Say(int worker, const v1::WorkerMessage& message) {
    controller_.OnMessage(kStreams[worker], message, now_);
    Check();
  }
  void Pass() {
    now_ += absl::Milliseconds(100);
    controller_.Tick(now_);
    Check();
  }
  void Break(int worker) {
    controller_.OnStreamLost(kStreams[worker], "its stream broke", now_);
    Check();
  }

 private:
  void Check() {
    (void)controller_.TakeEffects();
    const auto job = controller_.Get("a-1");
    if (!job.ok() || job->generation() < generation_) std::abort();
    generation_ = job->generation();
    if (job->spec().pipeline().stages() != 2) std::abort();
    std::set<std::pair<uint64_t, uint32_t>> held;
    for (const auto& [id, worker] : controller_.registry().workers()) {
      if (!worker.holds) continue;
      if (!held.emplace(worker.holds->generation(), worker.holds->stage()).second) std::abort();
    }
    (void)controller_.Diagnose("a-1", now_);
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Controller controller_;
  uint64_t generation_ = 0;
};

std::string Turn(int who, const v1::WorkerMessage& message = {}) {
  const std::string said = message.SerializeAsString();
  std::string turn(1, static_cast<char>(who));
  turn.push_back(static_cast<char>(said.size() & 0xff));
  turn.push_back(static_cast<char>(said.size() >> 8));
  return turn + said;
}

v1::WorkerMessage Report(uint32_t stage, v1::StageState state, uint64_t sequence,
                         uint64_t updates) {
  v1::WorkerMessage message;
  v1::StageReport& report = *message.mutable_report();
  report.mutable_key()->set_job_id("a-1");
  report.mutable_key()->set_generation(1);
  report.mutable_key()->set_stage(stage);
  report.set_sequence(sequence);
  report.mutable_status()->set_state(state);
  report.mutable_status()->set_updates(updates);
  report.mutable_status()->mutable_lag()->add_counts(updates);
  report.add_points()->set_update(updates);
  report.add_checkpoints()->set_update(updates);
  return message;
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  v1::WorkerMessage leaving;
  leaving.mutable_leaving()->set_reason("it was told to");
  v1::WorkerMessage failed = Report(1, v1::STAGE_STATE_FAILED, 3, 5);
  failed.mutable_report()->mutable_status()->set_error("UNAVAILABLE: gone");
  return {Turn(0, Report(0, v1::STAGE_STATE_READY, 1, 0)) +
              Turn(1, Report(1, v1::STAGE_STATE_READY, 1, 0)) + Turn(3) +
              Turn(0, Report(0, v1::STAGE_STATE_RUNNING, 2, 4)) +
              Turn(1, Report(1, v1::STAGE_STATE_RUNNING, 2, 4)) + Turn(1, failed) + Turn(3),
          Turn(0, Report(0, v1::STAGE_STATE_FINISHED, 1, 20)) +
              Turn(1, Report(1, v1::STAGE_STATE_FINISHED, 1, 20)) + Turn(2, leaving) + Turn(4),
          Turn(2, Hello(2)) + Turn(4) + Turn(0, Hello(0)) + Turn(3)};
}

}  // namespace paci

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  paci::Coordinator coordinator;
  for (size_t at = 0; at + 3 <= size;) {
    const int who = data[at] % 5;
    const size_t bytes = std::min<size_t>(data[at + 1] | data[at + 2] << 8, size - at - 3);
    paci::v1::WorkerMessage message;
    const bool is_message = message.ParseFromArray(data + at + 3, static_cast<int>(bytes));
    at += 3 + bytes;
    if (who == 3) coordinator.Pass();
    if (who == 4) coordinator.Break(static_cast<int>(bytes % 3));
    if (who < 3 && is_message) coordinator.Say(who, message);
  }
  return 0;
}
