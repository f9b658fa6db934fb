#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "coordinator/job/controller.h"

namespace paci {

// A small world around a controller: worker processes that do what they are told, break, restart
// and lose their streams; a store that forgets nothing; users. Every step checks what must always
// hold; a broken claim is kept as text. Deterministic.
class ClusterModel {
 public:
  explicit ClusterModel(size_t workers);

  // One thing that happens; which one, `choice` says.
  void Step(uint32_t choice);
  // A worker is drained, jobs are rescaled, among them one that just runs, and one more worker dies
  // in the middle of its work and stays away for a while. Else nothing bad happens any more:
  // everybody comes back and does their work, users end pauses. Whatever is stuck then is a broken
  // claim.
  void Settle();

  const std::string& broken() const { return broken_; }
  size_t jobs_completed() const;
  size_t jobs_completed_after_a_restart() const;
  size_t rescalings() const { return rescalings_; }
  size_t splits() const { return splits_; }
  size_t jobs_seen_shrunk() const { return shrunk_.size(); }

 private:
  struct Session {
    v1::StageReport report;  // key, status, sequence; `held`
    uint32_t stages = 0;
    uint64_t hold_at = UINT64_MAX;
    uint64_t points_stored = 0;
    std::map<uint64_t, uint64_t> points_reported;  // by sequence, to be acknowledged
  };
  struct Process {
    std::string name;
    uint64_t incarnation = 1;
    StreamId stream = 0;
    std::deque<v1::Command> commands;
    std::optional<Session> session;
    bool is_leaving = false;
    std::string id() const { return name + "-" + std::to_string(incarnation); }
  };

  void OfUser(uint32_t choice);
  void OfProcess(Process& process, uint32_t choice);
  void Submit(uint32_t choice);
  void SubmitElastic();
  void Rescale(const std::string& job_id, uint32_t stages);
  void Trace(const std::string& job_id);
  void Connect(Process& process);
  void Break(Process& process);
  void Die(Process& process);
  void Execute(Process& process, bool fails);
  absl::Status Do(Process& process, const v1::Command& command, bool fails,
                  v1::CommandResult& result);
  absl::Status Prepare(Process& process, const v1::PrepareStage& command, bool fails);
  void Train(Process& process);
  void Report(Process& process);
  v1::StageReport MakeReport(Session& session);
  Session* Find(const std::string& job_id, uint64_t generation, uint32_t stage);
  void Say(Process& process, const v1::WorkerMessage& message);
  void Tick(absl::Duration time);
  void Restart();
  void TakeEffects();
  void TakeMessage(const OutgoingMessage& outgoing);
  void CheckPartition(const v1::PrepareStage& command);
  void CheckStages(const v1::Job& job);
  void Check();
  void CheckTheEnd();
  void Break(const std::string& claim) {
    if (broken_.empty()) broken_ = claim;
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::vector<Process> processes_;
  std::map<uint64_t, StoredJob> stored_jobs_;
  std::map<std::string, std::set<uint64_t>> stored_points_;
  std::map<std::string, std::set<uint64_t>> committed_;  // updates with a manifest, by job
  uint64_t last_event_ = 0;
  uint64_t last_job_ = 0;
  std::set<std::tuple<std::string, uint64_t, std::string>> announced_;  // job, generation, event
  std::map<std::string, v1::Job> last_seen_;
  size_t rescalings_ = 0;
  size_t splits_ = 0;
  std::set<std::string> rescaled_;  // jobs that a user asked to
  std::set<std::string> shrunk_;    // jobs that went on over fewer stages by themselves
  std::set<GenerateTicket> waiting_;
  std::set<TraceTicket> traces_;  // not answered yet
  GenerateTicket next_ticket_ = 1;
  StreamId next_stream_ = 1;
  std::unique_ptr<Controller> controller_;
  std::string broken_;
};

}  // namespace paci
