#pragma once

// tests/integration: the daemons and pacictl as users run them, as processes on loopback, and what
// must be true of them together. Every process that a test starts ends with it.
//
// This file is a coordinator and its workers on this machine.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "paci/v1/job.grpc.pb.h"
#include "tests/support/process.h"
#include "tests/support/test_folder.h"

namespace paci {

// Where a daemon runs.
struct Place {
  std::string host = "127.0.0.1";     // where it listens
  std::vector<std::string> launcher;  // of its Process
};

struct ClusterOptions {
  int workers = 0;
  double lease_seconds = 30;  // long: a busy host is not a lost worker
  // Folder of what deploy/tls/make_certs.sh makes, and of `tokens`; empty: --insecure.
  std::string certificates;
  // Of "coordinator", "w0", ...; empty: loopback.
  std::function<Place(const std::string& name)> place;
};

// Single-threaded, on the test's own thread. What waits gives up after a minute and fails the test.
class LocalCluster {
 public:
  explicit LocalCluster(ClusterOptions options = {});
  // Kills what is left. The logs of a test that failed are printed.
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  Process& coordinator() { return *coordinator_; }
  // Named "w0", "w1", ... unless a test says otherwise; none is placed before those of `options`.
  Process& worker(const std::string& name) { return *workers_.at(name); }
  Process& StartWorker(const std::string& name);
  // On the same store and port as before.
  void StartCoordinator();
  void KillCoordinator();
  // SIGKILL; it is gone from this cluster when this returns.
  void KillWorker(const std::string& name);
  // The worker ends by itself, with 0.
  void ExpectEnd(const std::string& name);
  // SIGTERM to the workers, then to the coordinator: each ends with 0, and no child is left.
  void EndInOrder();

  std::string rpc_address() const { return rpc_address_; }
  std::string metrics_address() const { return metrics_address_; }
  const TestFolder& folder() const { return folder_; }

  // As an admin. As anybody else, with his options and environment: RunBinary.
  CommandResult Pacictl(std::vector<std::string> args) const;
  // With -o json, and expected to end with 0.
  nlohmann::json PacictlJson(std::vector<std::string> args) const;
  // The job's id. `settings`: KEY=VALUE, for --set.
  std::string Submit(const std::string& job_file, const std::vector<std::string>& settings) const;

  // A job whose bits are the same every time, and that writes a checkpoint every 5 updates:
  // real.yaml over three stages, in strict order, with dropout. `settings` win.
  std::string SubmitCheckpointed(const std::vector<std::string>& settings = {}) const;

  v1::Job Get(const std::string& job_id) const;
  // The first job shown for which `is_so`, or the last, with a failure of the test.
  v1::Job Await(const std::string& job_id, const std::function<bool(const v1::Job&)>& is_so) const;
  v1::Job AwaitState(const std::string& job_id, v1::JobState state) const;
  v1::Job AwaitUpdates(const std::string& job_id, uint64_t updates) const;
  // The job is then Paused. Asked for without a process of its own: a short job would be over
  // before that has started.
  v1::Job Pause(const std::string& job_id) const;
  // The job is Completed. Its points, by update.
  std::vector<v1::MetricPoint> AwaitCompletion(const std::string& job_id) const;
  // All that there are so far, by update.
  std::vector<v1::MetricPoint> Points(const std::string& job_id) const;
  std::vector<std::string> EventTypes(const std::string& job_id) const;

  std::vector<v1::Worker> Workers() const;
  v1::Worker AwaitWorker(const std::string& name, v1::WorkerState state) const;
  v1::JobService::Stub& jobs() const { return *jobs_; }

 private:
  Place PlaceOf(const std::string& name) const;
  // Of a program that has the certificate of `owner`.
  std::vector<std::string> SecurityFlags(const std::string& owner) const;

  const ClusterOptions options_;
  const TestFolder folder_;
  std::string rpc_address_;  // empty: it has not been started
  std::string metrics_address_;
  std::unique_ptr<Process> coordinator_;
  std::map<std::string, std::unique_ptr<Process>> workers_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::ClusterService::Stub> cluster_;
};

// Asks until `is_so`, for what announces itself by no event, or fails the test after a minute.
void Poll(const std::string& what, const std::function<bool()>& is_so);

// The training losses of `points`, by update.
std::vector<double> Losses(const std::vector<v1::MetricPoint>& points);

}  // namespace paci
