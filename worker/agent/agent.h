#pragma once

// The worker's side of the control plane: one stream to the coordinator, dialled again with
// jittered backoff when it breaks, while the stage that is held trains on. Knows the protocol of
// worker.proto, nothing of tensors.

#include <grpcpp/security/credentials.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/transport/channel.h"
#include "paci/v1/worker.grpc.pb.h"
#include "worker/agent/engine.h"
#include "worker/agent/stage_session.h"
#include "worker/agent/task_queue.h"

namespace paci {

struct AgentOptions {
  std::string coordinator;  // HOST:PORT
  std::string worker_id;    // random, one a process
  std::string worker_name;
  v1::WorkerInfo info;
  absl::Duration max_redial_delay = absl::Seconds(5);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  // True: the coordinator has greeted this worker; false: that stream is over. On the thread of
  // Run.
  std::function<void(bool is_registered)> on_registration = [](bool) {};
};

struct HeldStage {
  v1::StageKey key;
  v1::StageStatus status;
};

// Thread-safe. Threads: the caller of Run reads the stream; "paci-report" writes it;
// "paci-command", "paci-generate" and "paci-trace" do what takes time.
class Agent {
 public:
  Agent(AgentOptions options, const Transports& transports, Engine* engine);
  ~Agent();

  // Serves until the worker has left.
  void Run();
  // Takes no new stage and leaves when the one it holds, if any, is released. True if that is so
  // within `patience`.
  bool Leave(const std::string& reason, absl::Duration patience);
  // Stops the stage it holds, says so, and leaves.
  void Abort(const std::string& reason);

  // What it holds, for /metrics; absent: idle.
  std::optional<HeldStage> Held() const;

 private:
  using Stream = grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>;

  struct Served {
    bool was_welcomed = false;  // the coordinator greeted us
    absl::Status end;           // why the stream is over
  };
  // One stream from dial to end.
  Served Serve();
  void Read(Stream& stream, bool& was_welcomed);
  // Writes reports, results and heartbeats until the stream is over.
  void Write(Stream& stream);
  v1::WorkerMessage MakeHello();
  // The next message to write; nullopt: the stream is over.
  std::optional<v1::WorkerMessage> NextMessage();

  void OnWelcome(const v1::Welcome& welcome);
  void OnCommand(const v1::Command& command);
  void OnTraceStage(const v1::Command& command);
  v1::CommandResult Do(const v1::Command& command);
  // The part of a command that its result's payload does not need.
  absl::Status DoPlain(const v1::Command& command);
  absl::StatusOr<int64_t> Hold(const v1::HoldStage& command);
  absl::Status Prepare(const v1::PrepareStage& command);
  absl::Status Release(const v1::StageKey& key);
  // The session that `key` names, or FAILED_PRECONDITION saying what is held instead.
  absl::StatusOr<std::shared_ptr<StageSession>> Find(const v1::StageKey& key) const;
  std::shared_ptr<StageSession> session() const;
  void Say(std::vector<v1::WorkerMessage> messages);
  void EndStream();
  void Wake();

  const AgentOptions options_;
  const Transports transports_;
  Engine* const engine_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<StageSession> session_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::WorkerMessage> outgoing_ ABSL_GUARDED_BY(mutex_);
  bool is_report_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stream_over_ ABSL_GUARDED_BY(mutex_) = true;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  absl::Duration report_interval_ ABSL_GUARDED_BY(mutex_) = absl::Seconds(1);
  std::string leaving_reason_ ABSL_GUARDED_BY(mutex_);  // not empty: the worker is leaving
  bool has_left_ ABSL_GUARDED_BY(mutex_) = false;

  TaskQueue commands_;
  TaskQueue generations_;
  TaskQueue traces_;
};

}  // namespace paci
