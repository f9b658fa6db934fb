#pragma once

// A world around the real controller that is small enough for every order of its events to be
// tried: one job, its workers, their streams, the store, the shared folder. A plain value: a copy
// of it goes its own way. explorer_world.cc has what happens, explorer_claims.cc what must hold,
// explorer_worker.cc what a worker does with a command, explorer_training.cc how stages train,
// explorer_fingerprint.cc which worlds are the same.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/job/controller.h"
#include "tests/unit/coordinator/explorer_disk.h"

namespace paci {

struct ExplorerSetup {
  uint32_t stages = 2;
  uint32_t workers = 3;
  uint64_t updates = 2;
  uint32_t keep = 2;
  uint64_t checkpoint_every = 1;  // updates; and after the last
  // recovery.mode fast. Then stages train one by one, so that survivors may differ by an update.
  bool is_fast = false;
  bool has_copies = false;  // of each stage's state, at the stage after it
  // A claim more: with copies, one death loses no update but the one whose copy was on its way. So
  // it is where nobody is slower than the coordinator's patience, which time waits for then.
  bool is_one_death_free = false;
  // Wrong on purpose, so that a search must find something.
  std::function<void(v1::WorkerMessage&, const v1::Job&)> alter_heard;
  std::function<void(v1::CoordinatorMessage&, const v1::Job&)> alter_said;
  bool forgets_last_write = false;  // the store of a coordinator that dies
};

// The first ones, up to kPassTime, happen by themselves; in this order, if everybody is prompt.
enum class MoveKind : uint8_t {
  kThaw,        // a worker that stood still goes on
  kDial,        // one without a stream says Hello on a new one; what it had not read is lost
  kExecute,     // it does what the next message on its stream says
  kHear,        // the coordinator takes in the next message of a worker
  kNeighbour,   // a stage finds its neighbour gone
  kTakeBack,    // a stage has its state from the copy of the stage after it
  kWritePart,   // a stage's part of the checkpoint is durable
  kCopy,        // the copy of a stage's state is whole at the stage after it
  kTrain,       // a pipeline, or with is_fast one stage of it, computes one update
  kPassTime,    // until the next lease or patience is over
  kKill,        // a worker process ends, and another takes its place
  kFreeze,      // it stands still
  kFail,        // its stage fails by itself
  kBreak,       // its stream breaks, and the coordinator sees it
  kCut,         // its stream breaks, and nobody sees it
  kHearAndDie,  // the coordinator dies after it has stored what it heard, before it answers
  kDie,         // the coordinator dies and starts again
  kDamage,      // the newest complete checkpoint is damaged
  kBeSlow,      // time passes until a command is overdue
};

struct Move {
  MoveKind kind = MoveKind::kPassTime;
  uint8_t worker = 0;
};
bool IsFault(MoveKind kind);

class ExplorerWorld {
 public:
  explicit ExplorerWorld(const ExplorerSetup* setup);

  // What can happen now, in the order of MoveKind.
  std::vector<Move> Moves() const;
  void Apply(const Move& move);
  // Of a move that can happen now.
  std::string Describe(const Move& move) const;
  // The same for worlds that differ in nothing that matters from now on.
  std::string Fingerprint() const;

  const std::string& broken() const { return broken_; }  // the claim that does not hold
  bool is_over() const { return IsEnded(job().state()); }
  const v1::Job& job() const { return stored_->job; }

 private:
  struct Session {
    v1::StageKey key;
    v1::StageState state = v1::STAGE_STATE_READY;
    uint64_t updates = 0;
    bool is_built = false;    // it has a state that it could leave to the next generation
    bool is_writing = false;  // its part of the checkpoint of `updates`
    std::set<uint64_t> parts;
    absl::Status error;
    // Updates of the copies of the stage before it that it receives, and that it gives back.
    std::optional<uint64_t> kept;
    std::optional<uint64_t> given_back;
    uint64_t next_copy = 0;  // updates of its own next one
    // Until the stage after it gives its state back: the PrepareStage that is not answered yet.
    std::optional<v1::Command> preparing;
  };
  struct Process {
    uint32_t incarnation = 1;
    bool is_frozen = false;
    StreamId stream = 0;
    bool is_dead = false;  // the stream: nothing passes any more, and the process has not noticed
    std::deque<std::shared_ptr<const v1::WorkerMessage>> heard;      // under way
    std::deque<std::shared_ptr<const v1::CoordinatorMessage>> said;  // under way, or not read yet
    std::optional<Session> session;
    uint64_t sequence = 0;
  };
  // A stage whose process was killed while it ran.
  struct Death {
    v1::StageKey key;
    uint64_t updates = 0;
  };
  enum class Outcome { kLives, kDies };

  // explorer_world.cc
  void Happen(const Move& move);
  void Suffer(const Move& move);  // a fault
  void Hear(Process& process, Outcome outcome);
  void PassTime();
  // When, and whether it is about a command.
  std::optional<std::pair<absl::Time, bool>> NextDeadline() const;
  void Restart();
  void CarryOut(Outcome outcome);
  void Store(const StoreWrites& writes);
  void Say(const OutgoingMessage& outgoing);
  void Lose(Process& process);
  bool IsHeard(StreamId stream) const;
  Controller& Change();
  std::string id(size_t worker) const;

  // explorer_claims.cc
  void CheckJob(const v1::Job& next);
  void CheckCommand(const v1::Command& command);
  void CheckPrepare(const v1::PrepareStage& prepare);
  void CheckOwners();
  void CheckBeginning(const Session& session, uint64_t of_update);
  // The newest that the store knew to be complete and that is whole on the disk; {}: none.
  ExplorerDisk::Name NewestKnown() const;

  // explorer_worker.cc
  void Dial(size_t worker);
  void Execute(Process& process);
  absl::Status Do(Process& process, const v1::Command& command);
  absl::Status Prepare(Process& process, const v1::Command& command);
  void Begin(Process& process, const v1::Command& command);
  absl::Status TakeState(Session& session, const v1::Command& command, const Session* before);
  const Process* GiverTo(const Session& session) const;
  bool CanTakeBack(const Session& session) const;
  bool MissesGiver(const Session& session) const;
  void TakeBack(Process& process);
  void Answer(Process& process, const v1::Command& command, const absl::Status& status);
  void Finish(Process& process);
  void Fail(Process& process, absl::Status error);
  static v1::StageReport MakeReport(Process& process);
  void Report(Process& process);
  void Tell(Process& process, v1::WorkerMessage message);

  // explorer_training.cc
  uint32_t KeeperOf(uint32_t stage) const { return (stage + 1) % setup_->stages; }
  uint32_t KeptBy(uint32_t stage) const { return (stage + setup_->stages - 1) % setup_->stages; }
  bool CanTrain(size_t worker) const;
  bool CanTrainTogether(const Session& first) const;
  bool CanTrainAlone(const Session& session) const;
  bool CanCopy(const Session& session) const;
  void Copy(Session& session);
  bool MissesNeighbour(const Session& session) const;
  const Process* HolderOf(const Session& session, int64_t stage) const;
  void Train(Session& session);
  void TrainOne(Session& session) const;
  void WritePart(Process& process);
  // explorer_fingerprint.cc
  std::string PrintJob(const JobRecord& record) const;
  std::string PrintStage(const StageRecord& stage) const;
  std::string PrintWorkers() const;
  std::string PrintProcess(const Process& process) const;
  std::string PrintDisk() const;
  std::string PrintCopies(const Session& session) const;
  static std::string Print(const v1::StageStatus& status);
  std::string Print(const v1::StageKey& key) const;
  std::string Print(const v1::WorkerMessage& message) const;
  std::string Print(const v1::CoordinatorMessage& message) const;
  std::string Print(absl::Time deadline) const;
  std::string PrintDeadline(const CommandInFlight& command) const;
  std::string PrintCommandId(uint64_t id) const;

  void Break(std::string claim) {
    if (broken_.empty()) broken_ = std::move(claim);
  }

  const ExplorerSetup* setup_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::vector<Process> processes_;
  std::shared_ptr<const StoredJob> stored_ = std::make_shared<StoredJob>();
  std::shared_ptr<const StoredJob> stored_before_ = stored_;  // the last write
  uint64_t last_event_ = 0;
  ExplorerDisk disk_;
  std::set<ExplorerDisk::Name> known_;  // were complete in the store; the newest `keep`
  std::optional<Death> death_;          // the last one
  StreamId next_stream_ = 1;
  std::shared_ptr<Controller> controller_;  // shared among copies until one changes it
  std::string broken_;
};

}  // namespace paci
