#include "tests/integration/local_cluster.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/rpc/deadline.h"
#include "common/security/tls.h"
#include "tests/integration/job_files.h"

namespace paci {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);

// The lines KEY=VALUE of a port file.
std::map<std::string, std::string> ReadPorts(const std::string& path) {
  std::map<std::string, std::string> ports;
  for (absl::string_view line : absl::StrSplit(ReadFile(path), '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> entry = absl::StrSplit(line, absl::MaxSplits('=', 1));
    ports.insert(entry);
  }
  return ports;
}

void PrintLog(const std::string& name, const Process& process) {
  if (const std::string log = process.err(); !log.empty()) {
    std::cerr << "---- log of " << name << "\n" << log;
  }
}

}  // namespace

void Poll(const std::string& what, const std::function<bool()>& is_so) {
  const absl::Time end = absl::Now() + kPatience;
  while (!is_so()) {
    if (absl::Now() > end) {
      ADD_FAILURE() << "it never came to be: " << what;
      return;
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

LocalCluster::LocalCluster(ClusterOptions options) : options_(std::move(options)) {
  // What a daemon might leave behind would become a child of this process, and be found.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  StartCoordinator();
  for (int i = 0; i < options_.workers; ++i) StartWorker(absl::StrCat("w", i));
  for (int i = 0; i < options_.workers; ++i) {
    AwaitWorker(absl::StrCat("w", i), v1::WORKER_STATE_IDLE);
  }
}

LocalCluster::~LocalCluster() {
  if (!testing::Test::HasFailure()) return;
  PrintLog("the coordinator", *coordinator_);
  for (const auto& [name, worker] : workers_) PrintLog(name, *worker);
}

Place LocalCluster::PlaceOf(const std::string& name) const {
  return options_.place ? options_.place(name) : Place();
}

void LocalCluster::StartCoordinator() {
  const Place place = PlaceOf("coordinator");
  if (rpc_address_.empty()) rpc_address_ = metrics_address_ = absl::StrCat(place.host, ":0");
  const std::string port_file = absl::StrCat(folder_.path(), "/ports");
  std::filesystem::remove(port_file);
  std::vector<std::string> args = SecurityFlags("coordinator");
  if (!options_.certificates.empty()) {
    args.insert(args.end(), {"--token-file", options_.certificates + "/tokens"});
  }
  args.insert(args.end(), {"--listen", rpc_address_, "--metrics", metrics_address_, "--store",
                           absl::StrCat(folder_.path(), "/store.db"), "--port-file", port_file,
                           "--lease-seconds", absl::StrCat(options_.lease_seconds),
                           "--report-interval-seconds", "0.05", "--log-level", "info"});
  coordinator_ = std::make_unique<Process>("paci-coordinator", args, std::vector<std::string>{},
                                           place.launcher);
  Poll("the coordinator listens",
       [&] { return std::filesystem::exists(port_file) || !coordinator_->IsRunning(); });
  ASSERT_TRUE(coordinator_->IsRunning()) << coordinator_->Wait().err;
  std::map<std::string, std::string> ports = ReadPorts(port_file);
  rpc_address_ = ports["rpc"];
  metrics_address_ = ports["metrics"];
  grpc::ChannelArguments arguments;
  // A connection of its own, which has not failed before.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  SecurityOptions security;
  security.is_insecure = options_.certificates.empty();
  if (!security.is_insecure) {
    const std::string& folder = options_.certificates;
    security.tls = {folder + "/ca.pem", folder + "/admin.pem", folder + "/admin.key"};
  }
  const auto credentials = MakeChannelCredentials(security, rpc_address_, /*token=*/"");
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  const auto channel = grpc::CreateCustomChannel(rpc_address_, *credentials, arguments);
  jobs_ = v1::JobService::NewStub(channel);
  cluster_ = v1::ClusterService::NewStub(channel);
}

std::vector<std::string> LocalCluster::SecurityFlags(const std::string& owner) const {
  const std::string& folder = options_.certificates;
  if (folder.empty()) return {"--insecure"};
  return {"--tls-ca",   folder + "/ca.pem",
          "--tls-cert", absl::StrCat(folder, "/", owner, ".pem"),
          "--tls-key",  absl::StrCat(folder, "/", owner, ".key")};
}

void LocalCluster::KillCoordinator() {
  coordinator_->Signal(SIGKILL);
  EXPECT_EQ(coordinator_->Wait().code, 128 + SIGKILL);
}

void LocalCluster::KillWorker(const std::string& name) {
  Process& worker = *workers_.at(name);
  worker.Signal(SIGKILL);
  EXPECT_EQ(worker.Wait().code, 128 + SIGKILL) << name;
  workers_.erase(name);
}

Process& LocalCluster::StartWorker(const std::string& name) {
  const Place place = PlaceOf(name);
  const std::string any_port = absl::StrCat(place.host, ":0");
  std::vector<std::string> args = SecurityFlags("worker");
  args.insert(args.end(), {"--coordinator", rpc_address_, "--name", name, "--data-listen", any_port,
                           "--metrics", any_port, "--threads", "1", "--log-level", "info",
                           // A worker that is not let go when its stage is released would stay.
                           "--drain-seconds", "600"});
  return *(workers_[name] = std::make_unique<Process>("paci-worker", args,
                                                      std::vector<std::string>{}, place.launcher));
}

void LocalCluster::ExpectEnd(const std::string& name) {
  Process& worker = *workers_.at(name);
  Poll(absl::StrCat("worker ", name, " ends"), [&] { return !worker.IsRunning(); });
  if (worker.IsRunning()) return;
  EXPECT_EQ(worker.Wait().code, 0) << name;
}

void LocalCluster::EndInOrder() {
  for (const auto& [name, worker] : workers_) worker->Signal(SIGTERM);
  for (const auto& [name, worker] : workers_) ExpectEnd(name);
  coordinator_->Signal(SIGTERM);
  EXPECT_EQ(coordinator_->Wait().code, 0);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a process is left";
  EXPECT_EQ(errno, ECHILD);
}

CommandResult LocalCluster::Pacictl(std::vector<std::string> args) const {
  args.insert(args.end(), {"--coordinator", rpc_address_});
  const std::vector<std::string> security = SecurityFlags("admin");
  args.insert(args.end(), security.begin(), security.end());
  return RunBinary(args);
}

nlohmann::json LocalCluster::PacictlJson(std::vector<std::string> args) const {
  args.insert(args.end(), {"-o", "json"});
  const CommandResult result = Pacictl(args);
  EXPECT_EQ(result.code, 0) << args[0] << ": " << result.err;
  if (result.code != 0) return nlohmann::json::object();
  return nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

std::string LocalCluster::Submit(const std::string& job_file,
                                 const std::vector<std::string>& settings) const {
  std::vector<std::string> args = {"submit", job_file};
  for (const std::string& setting : settings) args.insert(args.end(), {"--set", setting});
  return PacictlJson(args).value("id", "");
}

std::string LocalCluster::SubmitCheckpointed(const std::vector<std::string>& settings) const {
  std::vector<std::string> all = {absl::StrCat("checkpoint.dir=", folder_.path(), "/checkpoints"),
                                  "checkpoint.every=5", "pipeline.stages=3",
                                  "pipeline.order=strict", "model.dropout=0.1"};
  all.insert(all.end(), settings.begin(), settings.end());
  return Submit(WriteRealJob(folder_), all);
}

v1::Job LocalCluster::Get(const std::string& job_id) const {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kPatience));
  v1::GetJobRequest request;
  request.set_job_id(job_id);
  v1::Job job;
  const grpc::Status status = jobs_->GetJob(&context, request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return job;
}

v1::Job LocalCluster::Await(const std::string& job_id,
                            const std::function<bool(const v1::Job&)>& is_so) const {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kPatience));
  v1::WatchJobRequest request;
  request.set_job_id(job_id);
  request.set_min_interval_seconds(0.005);
  const auto reader = jobs_->WatchJob(&context, request);
  v1::Job job;
  while (reader->Read(&job)) {
    if (is_so(job)) {
      context.TryCancel();
      return job;
    }
  }
  const grpc::Status status = reader->Finish();
  ADD_FAILURE() << "what is awaited of " << job_id
                << " never came to be: " << (status.ok() ? "it ended" : status.error_message())
                << "\n"
                << job.ShortDebugString();
  return job;
}

v1::Job LocalCluster::AwaitState(const std::string& job_id, v1::JobState state) const {
  return Await(job_id, [state](const v1::Job& job) { return job.state() == state; });
}

v1::Job LocalCluster::Pause(const std::string& job_id) const {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kPatience));
  v1::PauseJobRequest request;
  request.set_job_id(job_id);
  v1::Job job;
  const grpc::Status status = jobs_->PauseJob(&context, request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return AwaitState(job_id, v1::JOB_STATE_PAUSED);
}

v1::Job LocalCluster::AwaitUpdates(const std::string& job_id, uint64_t updates) const {
  return Await(job_id,
               [updates](const v1::Job& job) { return job.progress().updates() >= updates; });
}

std::vector<v1::MetricPoint> LocalCluster::AwaitCompletion(const std::string& job_id) const {
  AwaitState(job_id, v1::JOB_STATE_COMPLETED);
  return Points(job_id);
}

std::vector<v1::MetricPoint> LocalCluster::Points(const std::string& job_id) const {
  std::vector<v1::MetricPoint> points;
  v1::GetMetricsRequest request;
  request.set_job_id(job_id);
  for (;;) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(kPatience));
    v1::GetMetricsResponse response;
    const grpc::Status status = jobs_->GetMetrics(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (response.points().empty()) return points;
    points.insert(points.end(), response.points().begin(), response.points().end());
    // A point of update 0 alone would be asked for again.
    if (points.back().update() <= request.after_update()) return points;
    request.set_after_update(points.back().update());
  }
}

std::vector<std::string> LocalCluster::EventTypes(const std::string& job_id) const {
  std::vector<std::string> types;
  const nlohmann::json events = PacictlJson({"events", job_id});
  for (const auto& event : events["events"]) types.push_back(event["type"]);
  return types;
}

std::vector<v1::Worker> LocalCluster::Workers() const {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kPatience));
  v1::ListWorkersResponse response;
  const grpc::Status status = cluster_->ListWorkers(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return {response.workers().begin(), response.workers().end()};
}

v1::Worker LocalCluster::AwaitWorker(const std::string& name, v1::WorkerState state) const {
  v1::Worker found;
  Poll(absl::StrCat("worker ", name, " is ", v1::WorkerState_Name(state)), [&] {
    for (const v1::Worker& worker : Workers()) {
      if (worker.name() != name || worker.state() != state) continue;
      found = worker;
      return true;
    }
    return !coordinator_->IsRunning();
  });
  return found;
}

std::vector<double> Losses(const std::vector<v1::MetricPoint>& points) {
  std::vector<double> losses;
  for (const v1::MetricPoint& point : points) {
    if (point.has_loss()) losses.push_back(point.loss());
  }
  return losses;
}

}  // namespace paci
