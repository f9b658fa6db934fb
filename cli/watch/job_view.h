#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/verb.h"
#include "paci/v1/job.pb.h"

namespace paci::cli {

// What a person or a script sees of a job that is being followed. Single-threaded.
class JobView {
 public:
  virtual ~JobView() = default;

  // The job as it is now.
  virtual absl::Status Show(const v1::Job& job, absl::Time now) = 0;
  // Something about the watching itself: the coordinator is away.
  virtual void Note(const std::string& text) = 0;
  // After the last Show of a job that has ended.
  virtual void Finish(const v1::Job& job) = 0;
};

// On a terminal a screen that is redrawn in place; else a line for each change; with -o json a
// document a line; with -o yaml a stream of documents.
std::unique_ptr<JobView> MakeJobView(const Context& context);

}  // namespace paci::cli
