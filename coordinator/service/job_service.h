#pragma once

#include <grpcpp/grpcpp.h>

#include "coordinator/service/core.h"
#include "coordinator/service/generate_calls.h"
#include "coordinator/service/job_watchers.h"
#include "coordinator/service/trace_calls.h"
#include "paci/v1/job.grpc.pb.h"

namespace paci {

// What users ask of jobs. Thread-safe.
class JobServiceImpl final : public v1::JobService::CallbackService {
 public:
  JobServiceImpl(Core* core, JobWatchers* watchers, GenerateCalls* generate_calls,
                 TraceCalls* trace_calls)
      : core_(core),
        watchers_(watchers),
        generate_calls_(generate_calls),
        trace_calls_(trace_calls) {}

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* SubmitJob(Context* context, const v1::SubmitJobRequest* request,
                     v1::Job* response) override;
  Reactor* GetJob(Context* context, const v1::GetJobRequest* request, v1::Job* response) override;
  Reactor* ListJobs(Context* context, const v1::ListJobsRequest* request,
                    v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::Job>* WatchJob(Context* context,
                                              const v1::WatchJobRequest* request) override;
  Reactor* CancelJob(Context* context, const v1::CancelJobRequest* request,
                     v1::Job* response) override;
  Reactor* PauseJob(Context* context, const v1::PauseJobRequest* request,
                    v1::Job* response) override;
  Reactor* ResumeJob(Context* context, const v1::ResumeJobRequest* request,
                     v1::Job* response) override;
  Reactor* DeleteJob(Context* context, const v1::DeleteJobRequest* request,
                     v1::DeleteJobResponse* response) override;
  Reactor* RescaleJob(Context* context, const v1::RescaleJobRequest* request,
                      v1::Job* response) override;
  Reactor* ListEvents(Context* context, const v1::ListEventsRequest* request,
                      v1::ListEventsResponse* response) override;
  Reactor* GetMetrics(Context* context, const v1::GetMetricsRequest* request,
                      v1::GetMetricsResponse* response) override;
  Reactor* Generate(Context* context, const v1::GenerateRequest* request,
                    v1::GenerateResponse* response) override;
  grpc::ServerWriteReactor<v1::StageTrace>* TraceJob(Context* context,
                                                     const v1::TraceJobRequest* request) override;
  Reactor* DiagnoseJob(Context* context, const v1::DiagnoseJobRequest* request,
                       v1::Diagnosis* response) override;

 private:
  Core* const core_;
  JobWatchers* const watchers_;
  GenerateCalls* const generate_calls_;
  TraceCalls* const trace_calls_;
};

}  // namespace paci
