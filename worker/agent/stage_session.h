#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/transport/channel.h"
#include "paci/v1/worker.pb.h"
#include "worker/agent/engine.h"
#include "worker/agent/stage_connector.h"
#include "worker/stage/stage_loop.h"
#include "worker/stage/state_copies.h"

namespace paci {

// What is still in this worker's memory of the generation before, for a stage that goes on from it.
struct Inheritance {
  std::shared_ptr<const StateCopy> own;
  std::shared_ptr<const StateCopy> neighbours;  // of the stage whose copies were kept here
};

// One stage of one generation of a job, held by this worker: from PrepareStage until it is
// destroyed. Owns the thread "paci-stage", on which the stage's layers are built, connected, and
// run. Thread-safe.
class StageSession {
 public:
  // `on_change` is called, on any thread, when the stage's state changed or a checkpoint part is
  // durable.
  StageSession(v1::PrepareStage command, Inheritance inherited, const std::string& worker_name,
               const Transports& transports, Engine* engine, std::function<void()> on_change);
  // Stops the stage and waits for its thread.
  ~StageSession();

  const v1::StageKey& key() const { return command_.key(); }

  // Blocks until the layers are built and both neighbours are connected, or that has failed.
  absl::Status AwaitPrepared();
  // Lets the prepared stage run; FAILED_PRECONDITION if it is not prepared. Again: OK.
  absl::Status Start();
  // The update after which the stage is drained.
  absl::StatusOr<int64_t> Hold(const v1::HoldStage& command);
  absl::Status Commit(const v1::CommitCheckpoint& command);
  // Ends what it is doing, preparing included, with `reason`. Returns at once.
  void Stop(const absl::Status& reason);
  // Blocks until it has ended; for ever if its thread hangs.
  void AwaitOver();
  // It has ended, and its status says how.
  bool IsOver() const;

  // What its successor goes on from, as `command` says. Once it is over, on one thread.
  absl::StatusOr<Inheritance> Bequeath(const v1::PrepareStage& command);

  v1::StageReport MakeReport();
  v1::StageStatus Status() const { return monitor_.Status(); }
  void OnReportStored(const v1::ReportAck& ack);
  const std::shared_ptr<SpanRecorder>& spans() const { return monitor_.spans(); }

 private:
  enum class Phase { kPreparing, kReady, kRunning, kOver };

  void Run();
  absl::Status Prepare();
  // Gives back the copy of a stage that failed, if it is kept here; then the copy that this stage
  // goes on from, null if it goes on from a checkpoint.
  absl::StatusOr<std::shared_ptr<const StateCopy>> ExchangeCopies();
  absl::Status GiveBack();
  absl::StatusOr<std::shared_ptr<const StateCopy>> TakeBack();
  absl::Status Build(const Schedule& schedule);
  bool AwaitStart();
  void Finish(const absl::Status& status);

  const v1::PrepareStage command_;
  Engine* const engine_;
  const std::function<void()> on_change_;
  StageMonitor monitor_;

  mutable absl::Mutex mutex_;
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kPreparing;
  absl::Status outcome_ ABSL_GUARDED_BY(mutex_);  // of preparing; then the reason of a stop
  StageConnector connector_;
  Inheritance inherited_;  // on the stage's thread
  std::unique_ptr<CopySender> restore_out_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<CopyReceiver> restore_in_ ABSL_GUARDED_BY(mutex_);  // while a copy comes
  std::unique_ptr<CopyReceiver> kept_copies_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<StageCompute> compute_;  // made and used on the stage's thread; outlives the loop
  std::unique_ptr<StageLoop> loop_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace paci
