#pragma once

#include <functional>
#include <memory>
#include <string>

#include "grpcpp/grpcpp.h"
#include "paci/v1/job.grpc.pb.h"
#include "tests/support/process.h"

namespace paci::cli {

// A real gRPC server on a free port of this machine, whose JobService answers what a test says: for
// the situations that a real coordinator gets into only by accident. Set the functions before the
// first call; they run on gRPC's threads. A call that no function answers is UNIMPLEMENTED.
class ScriptedCoordinator : private v1::JobService::Service {
 public:
  using JobWriter = grpc::ServerWriter<v1::Job>;
  using TraceWriter = grpc::ServerWriter<v1::StageTrace>;

  // `port` 0: a free one.
  explicit ScriptedCoordinator(int port = 0);

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }

  std::function<grpc::Status(const v1::SubmitJobRequest&, v1::Job*)> submit;
  std::function<grpc::Status(const v1::GetJobRequest&, v1::Job*)> get;
  std::function<grpc::Status(const v1::WatchJobRequest&, grpc::ServerContext*, JobWriter*)> watch;
  std::function<grpc::Status(const v1::PauseJobRequest&, v1::Job*)> pause;
  std::function<grpc::Status(const v1::RescaleJobRequest&, v1::Job*)> rescale;
  std::function<grpc::Status(const v1::ListEventsRequest&, v1::ListEventsResponse*)> events;
  std::function<grpc::Status(const v1::GenerateRequest&, v1::GenerateResponse*)> generate;
  std::function<grpc::Status(const v1::TraceJobRequest&, TraceWriter*)> trace;
  std::function<grpc::Status(const v1::DiagnoseJobRequest&, v1::Diagnosis*)> diagnose;

 private:
  template <typename Function, typename... Arguments>
  static grpc::Status Answer(const Function& function, Arguments&&... arguments) {
    if (!function) return {grpc::StatusCode::UNIMPLEMENTED, ""};
    return function(std::forward<Arguments>(arguments)...);
  }

  grpc::Status SubmitJob(grpc::ServerContext*, const v1::SubmitJobRequest* request,
                         v1::Job* job) override {
    return Answer(submit, *request, job);
  }
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::Job* job) override {
    return Answer(get, *request, job);
  }
  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                        JobWriter* writer) override {
    return Answer(watch, *request, context, writer);
  }
  grpc::Status PauseJob(grpc::ServerContext*, const v1::PauseJobRequest* request,
                        v1::Job* job) override {
    return Answer(pause, *request, job);
  }
  grpc::Status RescaleJob(grpc::ServerContext*, const v1::RescaleJobRequest* request,
                          v1::Job* job) override {
    return Answer(rescale, *request, job);
  }
  grpc::Status ListEvents(grpc::ServerContext*, const v1::ListEventsRequest* request,
                          v1::ListEventsResponse* response) override {
    return Answer(events, *request, response);
  }
  grpc::Status Generate(grpc::ServerContext*, const v1::GenerateRequest* request,
                        v1::GenerateResponse* response) override {
    return Answer(generate, *request, response);
  }
  grpc::Status TraceJob(grpc::ServerContext*, const v1::TraceJobRequest* request,
                        TraceWriter* writer) override {
    return Answer(trace, *request, writer);
  }

  grpc::Status DiagnoseJob(grpc::ServerContext*, const v1::DiagnoseJobRequest* request,
                           v1::Diagnosis* diagnosis) override {
    return Answer(diagnose, *request, diagnosis);
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// RunPacictl against `coordinator`, what it wrote, and its exit code.
CommandResult RunAgainst(const ScriptedCoordinator& coordinator, std::vector<std::string> args);

}  // namespace paci::cli
