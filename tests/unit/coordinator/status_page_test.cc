#include "coordinator/service/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/rpc/timestamp.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

using testing::HasSubstr;
using testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

JobView RunningJob() {
  JobView view;
  view.job.set_id("a-1");
  *view.job.mutable_spec() = SmallSpec("a", 2, 20);
  view.job.set_state(v1::JOB_STATE_RUNNING);
  view.job.set_reason("every stage is built and connected");
  *view.job.mutable_created() = ToTimestamp(kNow - absl::Seconds(90));
  for (uint32_t i = 0; i < 2; ++i) {
    v1::StageStatus& stage = *view.job.add_stages();
    stage.set_index(i);
    stage.set_worker_name(absl::StrCat("w", i));
    stage.set_state(v1::STAGE_STATE_RUNNING);
    stage.mutable_activity()->set_forward(2);
    stage.mutable_activity()->set_backward(4);
    stage.mutable_activity()->set_wait_gradient(3);
    stage.mutable_activity()->set_other(1);
    stage.mutable_lag()->set_bound(1);
    stage.mutable_lag()->add_counts(5);
    stage.mutable_lag()->add_counts(7);
  }
  return view;
}

std::string PageOf(const JobView& view) {
  ClusterView cluster;
  cluster.now = kNow;
  cluster.jobs = {view.job};
  cluster.shown = {view};
  return StatusPage(cluster);
}

void AddPoint(uint64_t update, double loss, double elapsed, JobView& view) {
  v1::MetricPoint& point = view.points.emplace_back();
  point.set_update(update);
  point.set_loss(loss);
  point.set_elapsed_seconds(elapsed);
}

TEST(StatusPage, ShowsThePipelineAsBoxesWithWhatTheirTimeGoesInto) {
  const std::string page = PageOf(RunningJob());
  EXPECT_THAT(page, HasSubstr("<div class=\"stage RUNNING\"><b>stage 1</b> running"));
  EXPECT_THAT(page, HasSubstr("busy 60 %, waiting 30 %"));
  EXPECT_THAT(page, HasSubstr("<span>lag 1 of at most 1</span>"));
  EXPECT_THAT(page, HasSubstr("1m30s ago"));
}

TEST(StatusPage, ALagBeyondItsBoundIsMarked) {
  JobView view = RunningJob();
  view.job.mutable_stages(0)->mutable_lag()->add_counts(1);
  EXPECT_THAT(PageOf(view), HasSubstr("<span class=over>lag 2 of at most 1</span>"));
}

TEST(StatusPage, TextsOfUsersAndWorkersAreText) {
  JobView view = RunningJob();
  const std::string evil = "<script>alert('x')</script>\"&";
  view.job.set_reason(evil);
  view.job.mutable_stages(0)->set_worker_name(evil);
  view.job.mutable_stages(0)->set_error(evil);
  v1::Event& event = view.events.emplace_back();
  event.set_type(evil);
  event.set_reason(evil);
  const std::string page = PageOf(view);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
}

TEST(StatusPage, ACurveIsALineAndItsRange) {
  JobView view = RunningJob();
  EXPECT_THAT(PageOf(view), Not(HasSubstr("<svg")));
  AddPoint(1, 5.5, 1, view);
  AddPoint(2, 4.5, 2, view);
  AddPoint(3, 5.0, 4, view);
  const std::string page = PageOf(view);
  EXPECT_THAT(page, HasSubstr("training loss: 5 (4.5 to 5.5)"));
  EXPECT_THAT(page, HasSubstr("points=\"2.0,3.0 120.0,45.0 238.0,24.0 \""));
  // Tokens an update: accumulation x micro-batch x context.
  const v1::JobSpec& spec = view.job.spec();
  const uint64_t tokens = uint64_t{spec.pipeline().accumulation()} * spec.pipeline().micro_batch() *
                          spec.model().context();
  EXPECT_THAT(page, HasSubstr(absl::StrCat("tokens a second: ", tokens / 2.0)));
}

// After a restart the clock of the points begins again, and an update may come twice.
TEST(StatusPage, ARestartIsNoSpeed) {
  JobView view = RunningJob();
  AddPoint(10, 5, 100, view);
  AddPoint(11, 5, 1, view);
  AddPoint(12, 5, 2, view);
  AddPoint(13, 5, 3, view);
  EXPECT_THAT(PageOf(view), Not(HasSubstr("tokens a second: -")));
}

TEST(StatusPage, AnEmptyClusterHasAPageToo) {
  EXPECT_THAT(StatusPage(ClusterView()), HasSubstr("There are no jobs."));
}

TEST(StatusPage, ALongCurveIsThinnedOut) {
  EXPECT_EQ(StepOfCurve(0), 1);
  EXPECT_EQ(StepOfCurve(239), 1);
  EXPECT_EQ(StepOfCurve(24000), 101);
}

}  // namespace
}  // namespace paci
