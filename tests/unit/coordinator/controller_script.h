#pragma once

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "coordinator/job/controller.h"
#include "coordinator/store/job_store.h"

namespace paci {

// Plays a script to a controller on a real store and writes down what comes of it: the language of
// testdata/*.txt. A line is a command; what the controller decided stands indented below it.
//
//   submit NAME [stages=2] [updates=10] [dir=ck] [by=measured] [device=cpu] [request=ID]
//          [tokenizer=uint16] [min_stages=N] [patience=SECONDS] [stall=SECONDS] [skips=N]
//          [schedule=paci] [hidden=N] [from=FOLDER@UPDATE] [keep=N] [best] [drift_limit=X]
//          [accumulation=N]
//   rescale JOB STAGES                           0: those of the spec
//   cancel|pause|resume|delete|show|diagnose JOB          drain WORKER          workers
//   hello W [device=cpu] [id=ID] [holding]       holding: with its last report
//   lose W             its stream breaks         silence W | speak W   no more heartbeats | again
//   report W STATE [updates=N] [skipped=N] [held] [points=A-B] [generation=G]
//          [part=N [part_error=text] [validation=LOSS] [drift=X]] [sequence=S] [error=CODE:text]
//          and what script_status.h has
//   result W COMMAND [CODE] [at=N] [costs=1,2,3] [spans=N] [first]      of the last such command,
//   or first leaving W WHY      ticks SECONDS             restart generate JOB [best] [tokens=N]
//   [temperature=T] trace JOB [updates=N]     abandon TICKET     (clocks are compared once before
//   and once after)
//
// A report is of the stage that the worker was last told to prepare. Underscores are spaces.
class ControllerScript {
 public:
  explicit ControllerScript(std::string store_path);

  // The script with the trace as it is now.
  std::string Run(const std::string& script);

 private:
  struct FakeWorker {
    StreamId stream = 0;
    bool is_silent = false;
    v1::StageReport report;                             // the last
    std::map<std::string, std::vector<uint64_t>> sent;  // ids of commands by name
  };
  using Words = std::vector<std::string>;

  void Open();
  void Do(const Words& words);
  void DoForUser(const Words& words);
  void DoForWorker(const Words& words);
  void Submit(const Words& words);
  void Hello(const Words& words);
  void Report(const Words& words);
  void Result(const Words& words);
  void Ticks(double seconds);
  void Generate(const Words& words);
  void Trace(const Words& words);
  void Diagnose(const std::string& job_id);
  // Stores and writes down the effects.
  void TakeEffects();
  void TakeMessage(const OutgoingMessage& outgoing);
  void TakeCommand(const std::string& worker, const v1::Command& command);
  void Line(const std::string& text) { out_ << "  " << text << "\n"; }
  void ShowStatus(const absl::Status& status);
  FakeWorker& worker(const std::string& name) { return workers_[name]; }
  std::string NameOfStream(StreamId stream) const;

  const std::string store_path_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<Controller> controller_;
  std::map<std::string, FakeWorker> workers_;
  std::map<StreamId, std::string> streams_;
  std::map<std::string, std::string> shown_;  // job -> its line when last shown
  StreamId next_stream_ = 1;
  GenerateTicket next_ticket_ = 1;
  TraceTicket next_trace_ = 1;
  std::ostringstream out_;
};

}  // namespace paci
