#include "tests/unit/coordinator/explorer_world.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

constexpr absl::Duration kLease = absl::Seconds(5);
// So much more that every lease and patience is over before a command is overdue.
constexpr absl::Duration kCommand = absl::Hours(24);

ControllerOptions Options() {
  ControllerOptions options;
  options.lease = kLease;
  options.make_secret = [] { return "secret"; };
  options.forget_lost_worker = absl::InfiniteDuration();
  options.redial = absl::ZeroDuration();
  CommandDeadlines& deadlines = options.commands;
  deadlines.prepare = deadlines.start = deadlines.commit = deadlines.release = kCommand;
  options.tick = absl::InfiniteDuration();  // no gap between two Ticks is the coordinator's own
  return options;
}

v1::SubmitJobRequest Request(const ExplorerSetup& setup) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = SmallSpec("a", setup.stages, setup.updates);
  request.mutable_spec()->mutable_checkpoint()->set_dir("ck");
  request.mutable_spec()->mutable_checkpoint()->set_every(setup.checkpoint_every);
  request.mutable_spec()->mutable_checkpoint()->set_keep(setup.keep);
  request.mutable_spec()->mutable_recovery()->set_max_restarts(1000);
  request.mutable_spec()->mutable_recovery()->set_window_seconds(1e9);
  request.mutable_spec()->mutable_recovery()->set_replacement_seconds(1e9);
  if (setup.is_fast) {
    request.mutable_spec()->mutable_checkpoint()->set_cut(v1::CHECKPOINT_CUT_RUNNING);
    request.mutable_spec()->mutable_recovery()->set_mode(v1::RECOVERY_MODE_FAST);
  }
  if (setup.has_copies) {
    request.mutable_spec()->mutable_recovery()->set_replicate(v1::REPLICATE_NEIGHBOUR);
    request.mutable_spec()->mutable_recovery()->set_replicate_every(1);
  }
  return request;
}

v1::WorkerMessage Heartbeat() {
  v1::WorkerMessage message;
  message.mutable_heartbeat();
  return message;
}

}  // namespace

bool IsFault(MoveKind kind) { return kind > MoveKind::kPassTime; }

ExplorerWorld::ExplorerWorld(const ExplorerSetup* setup)
    : setup_(setup), processes_(setup->workers) {
  Restart();
  for (size_t i = 0; i < processes_.size(); ++i) {
    Dial(i);
    Hear(processes_[i], Outcome::kLives);
  }
  if (!Change().Submit(Request(*setup), now_).ok()) Break("the job is not taken");
  CarryOut(Outcome::kLives);
}

std::string ExplorerWorld::id(size_t worker) const {
  return absl::StrCat("w", worker, "-", processes_[worker].incarnation);
}

Controller& ExplorerWorld::Change() {
  if (controller_.use_count() > 1) controller_ = std::make_shared<Controller>(*controller_);
  return *controller_;
}

std::vector<Move> ExplorerWorld::Moves() const {
  std::vector<Move> moves;
  const auto add = [&](MoveKind kind, auto is_possible) {
    for (size_t i = 0; i < processes_.size(); ++i) {
      if (is_possible(processes_[i], i)) moves.push_back({kind, static_cast<uint8_t>(i)});
    }
  };
  const auto is_active = [](const Process& p) { return !p.is_frozen; };
  const auto runs = [&](const Process& p) {
    return is_active(p) && p.session && p.session->state == v1::STAGE_STATE_RUNNING;
  };
  add(MoveKind::kThaw, [](const Process& p, size_t) { return p.is_frozen; });
  add(MoveKind::kDial,
      [&](const Process& p, size_t) { return is_active(p) && (p.stream == 0 || p.is_dead); });
  add(MoveKind::kExecute,
      [&](const Process& p, size_t) { return is_active(p) && !p.said.empty(); });
  add(MoveKind::kHear, [](const Process& p, size_t) { return !p.heard.empty(); });
  const auto takes_back = [&](const Process& p) {
    return is_active(p) && p.session && p.session->preparing;
  };
  add(MoveKind::kNeighbour, [&](const Process& p, size_t) {
    return (runs(p) && MissesNeighbour(*p.session)) || (takes_back(p) && MissesGiver(*p.session));
  });
  add(MoveKind::kTakeBack,
      [&](const Process& p, size_t) { return takes_back(p) && CanTakeBack(*p.session); });
  add(MoveKind::kWritePart,
      [&](const Process& p, size_t) { return runs(p) && p.session->is_writing; });
  add(MoveKind::kCopy, [&](const Process& p, size_t) { return runs(p) && CanCopy(*p.session); });
  add(MoveKind::kTrain, [&](const Process&, size_t i) { return CanTrain(i); });
  const auto deadline = NextDeadline();
  const bool is_command = deadline && deadline->second;
  const bool is_awaited = is_command || setup_->is_one_death_free;
  if (deadline && (!is_awaited || moves.empty())) {
    moves.push_back({MoveKind::kPassTime});
  }
  add(MoveKind::kKill, [&](const Process& p, size_t) { return is_active(p); });
  add(MoveKind::kFreeze, [&](const Process& p, size_t) { return is_active(p); });
  add(MoveKind::kFail, [&](const Process& p, size_t) { return runs(p); });
  const auto has_stream = [&](const Process& p, size_t) {
    return is_active(p) && p.stream != 0 && !p.is_dead;
  };
  add(MoveKind::kBreak, has_stream);
  add(MoveKind::kCut, has_stream);
  add(MoveKind::kHearAndDie, [](const Process& p, size_t) { return !p.heard.empty(); });
  moves.push_back({MoveKind::kDie});
  if (NewestKnown().update > 0) moves.push_back({MoveKind::kDamage});
  if (is_command && !IsFault(moves.front().kind) && moves.front().kind != MoveKind::kPassTime) {
    moves.push_back({MoveKind::kBeSlow});
  }
  return moves;
}

std::string ExplorerWorld::Describe(const Move& move) const {
  static constexpr std::array<const char*, 19> kNames = {
      "goes on after it stood still",
      "dials and says Hello",
      "executes ",
      "is heard by the coordinator: ",
      "finds a neighbour gone",
      "has its state back from the stage after it",
      "writes its part of the checkpoint",
      "has a whole copy of its state at the stage after it",
      "trains one update, with its pipeline or as far as its neighbours let it",
      "time passes until a lease or patience is over",
      "is killed, and another process takes its place",
      "stands still",
      "fails by itself",
      "loses its stream, which the coordinator sees",
      "loses its stream, which nobody sees",
      "is heard by the coordinator, which stores that, dies before it answers, and starts again: ",
      "the coordinator dies and starts again",
      "the newest checkpoint is damaged",
      "time passes until a command is overdue"};
  const char* name = kNames[static_cast<size_t>(move.kind)];
  const bool has_worker = move.kind != MoveKind::kPassTime && move.kind != MoveKind::kDie &&
                          move.kind != MoveKind::kDamage && move.kind != MoveKind::kBeSlow;
  if (!has_worker) return name;
  const Process& process = processes_[move.worker];
  const bool is_heard = move.kind == MoveKind::kHear || move.kind == MoveKind::kHearAndDie;
  return absl::StrCat("w", move.worker, " ", name, is_heard ? Print(*process.heard.front()) : "",
                      move.kind == MoveKind::kExecute ? Print(*process.said.front()) : "");
}

void ExplorerWorld::Apply(const Move& move) {
  const ExplorerDisk::Name newest = NewestKnown();
  if (IsFault(move.kind)) {
    Suffer(move);
    CarryOut(Outcome::kLives);
  } else {
    Happen(move);
  }
  CheckOwners();
  if (move.kind != MoveKind::kDamage && NewestKnown().update < newest.update) {
    Break(absl::StrCat("the checkpoint of update ", newest.update,
                       ", the newest that the store knows, is not whole any more"));
  }
}

void ExplorerWorld::Happen(const Move& move) {
  Process& process = processes_[move.worker];
  switch (move.kind) {
    case MoveKind::kThaw:
      process.is_frozen = false;
      return;
    case MoveKind::kDial:
      return Dial(move.worker);
    case MoveKind::kExecute:
      return Execute(process);
    case MoveKind::kHear:
      return Hear(process, Outcome::kLives);
    case MoveKind::kNeighbour:
      return Fail(process, absl::UnavailableError("a neighbour is gone"));
    case MoveKind::kTakeBack:
      return TakeBack(process);
    case MoveKind::kCopy:
      return Copy(*process.session);
    case MoveKind::kWritePart:
      return WritePart(process);
    case MoveKind::kTrain:
      return Train(*process.session);
    default:
      return PassTime();
  }
}

void ExplorerWorld::Suffer(const Move& move) {
  Process& process = processes_[move.worker];
  const StreamId stream = process.is_dead ? 0 : process.stream;
  // Whatever befalls it, it has been heard of just now.
  if (stream != 0) Change().OnMessage(stream, Heartbeat(), now_);
  switch (move.kind) {
    case MoveKind::kKill: {
      if (process.session && process.session->state == v1::STAGE_STATE_RUNNING) {
        death_ = {process.session->key, process.session->updates};
      }
      const uint32_t incarnation = process.incarnation + 1;
      process = Process();
      process.incarnation = incarnation;
      if (stream != 0) Change().OnStreamLost(stream, "its stream broke", now_);
      return;
    }
    case MoveKind::kFreeze:
      process.is_frozen = true;
      return;
    case MoveKind::kFail:
      return Fail(process, absl::InternalError("out of memory"));
    case MoveKind::kBreak:
      Change().OnStreamLost(stream, "its stream broke", now_);
      return Lose(process);
    case MoveKind::kCut:
      return Lose(process);
    case MoveKind::kHearAndDie:
      return Hear(process, Outcome::kDies);
    case MoveKind::kDie:
      return Restart();
    case MoveKind::kDamage:
      return disk_.Damage(NewestKnown());
    default:
      return PassTime();
  }
}

void ExplorerWorld::Hear(Process& process, Outcome outcome) {
  v1::WorkerMessage message = *process.heard.front();
  process.heard.pop_front();
  if (setup_->alter_heard) setup_->alter_heard(message, job());
  const bool is_old =
      message.has_report() && !controller_->jobs().empty() &&
      message.report().key().generation() < controller_->jobs().begin()->second.job().generation();
  const auto print = [&] { return PrintJob(controller_->jobs().begin()->second); };
  const std::string before = is_old ? print() : "";
  Change().OnMessage(process.stream, message, now_);
  if (is_old && print() != before) Break("a report of an older generation changes the job");
  CarryOut(outcome);
}

bool ExplorerWorld::IsHeard(StreamId stream) const {
  return std::any_of(processes_.begin(), processes_.end(), [&](const Process& p) {
    return p.stream == stream && !p.is_dead && !p.is_frozen;
  });
}

std::optional<std::pair<absl::Time, bool>> ExplorerWorld::NextDeadline() const {
  std::optional<std::pair<absl::Time, bool>> next;
  const auto add = [&](absl::Time deadline, bool is_command) {
    if (deadline == absl::InfiniteFuture() || deadline < now_) return;
    const std::pair<absl::Time, bool> candidate(deadline, is_command);
    if (!next || candidate < *next) next = candidate;
  };
  for (const auto& [id, record] : controller_->jobs()) {
    if (!record.failures.empty()) add(record.failing_since + Options().failure_grace, false);
    for (const StageRecord& stage : record.stages) {
      if (!stage.is_attached) add(stage.lost_deadline, false);
      if (stage.in_flight) add(stage.in_flight->deadline, true);
    }
  }
  for (const auto& [id, worker] : controller_->registry().workers()) {
    if (worker.is_connected() && !IsHeard(worker.stream)) add(worker.last_seen + kLease, false);
    if (worker.release_in_flight) add(worker.release_in_flight->deadline, true);
  }
  return next;
}

void ExplorerWorld::PassTime() {
  now_ = std::max(now_, NextDeadline()->first) + absl::Milliseconds(1);
  for (const Process& process : processes_) {
    if (process.stream != 0 && IsHeard(process.stream)) {
      Change().OnMessage(process.stream, Heartbeat(), now_);
    }
  }
  Change().Tick(now_);
  CarryOut(Outcome::kLives);
}

void ExplorerWorld::Restart() {
  now_ += absl::Seconds(1);
  for (Process& process : processes_) Lose(process);
  if (setup_->forgets_last_write && !stored_before_->job.id().empty()) stored_ = stored_before_;
  StoreContents contents;
  if (!job().id().empty()) contents.jobs.push_back(*stored_);
  contents.next_job_number = contents.jobs.size() + 1;
  contents.next_event_sequence = last_event_ + 1;
  controller_ = std::make_shared<Controller>(Options(), std::move(contents), now_);
  CarryOut(Outcome::kLives);
}

// Nothing passes on its stream any more. It may still read what had come.
void ExplorerWorld::Lose(Process& process) {
  process.heard.clear();
  process.is_dead = process.stream != 0;
  if (process.is_frozen || !process.said.empty()) return;
  process.stream = 0;
  process.is_dead = false;
}

void ExplorerWorld::CarryOut(Outcome outcome) {
  const Effects effects = Change().TakeEffects();
  Store(effects.writes);
  if (outcome == Outcome::kDies) return Restart();
  for (const OutgoingMessage& outgoing : effects.messages) Say(outgoing);
  for (const ClosedStream& closed : effects.closed) {
    for (Process& process : processes_) {
      if (process.stream == closed.stream) Lose(process);
    }
  }
}

void ExplorerWorld::Store(const StoreWrites& writes) {
  last_event_ += writes.events.size();
  for (const StoredJob& stored : writes.jobs) {
    CheckJob(stored.job);
    for (const v1::Checkpoint& checkpoint : stored.job.checkpoints()) {
      known_.insert({checkpoint.update(), checkpoint.generation()});
    }
    while (known_.size() > setup_->keep) known_.erase(known_.begin());
    stored_before_ = std::exchange(stored_, std::make_shared<StoredJob>(stored));
  }
  const bool has_last = !known_.empty() && known_.rbegin()->update == setup_->updates;
  if (job().state() == v1::JOB_STATE_COMPLETED && !has_last) {
    Break("it completed without its last checkpoint");
  }
}

void ExplorerWorld::Say(const OutgoingMessage& outgoing) {
  auto message = std::make_shared<v1::CoordinatorMessage>(outgoing.message);
  // A worker that forgets nothing is the worst one.
  const bool is_news =
      message->has_command() || (message->has_welcome() && message->welcome().release_stage());
  if (!is_news) return;
  if (setup_->alter_said) setup_->alter_said(*message, job());
  if (message->has_command()) CheckCommand(message->command());
  for (Process& process : processes_) {
    if (process.stream != outgoing.stream || process.is_dead) continue;
    process.said.push_back(std::move(message));
    return;
  }
}

}  // namespace paci
