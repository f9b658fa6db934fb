#include "cli/watch/job_view.h"

#include "absl/strings/str_cat.h"
#include "cli/format/document.h"
#include "cli/format/watch_text.h"
#include "cli/watch/redraw.h"

namespace paci::cli {
namespace {

class ScreenView final : public JobView {
 public:
  explicit ScreenView(const Streams& streams) : streams_(streams) {}

  absl::Status Show(const v1::Job& job, absl::Time now) override {
    streams_.out << redraw_.Draw(WatchScreen(job, now), TerminalSize()) << std::flush;
    return absl::OkStatus();
  }
  void Note(const std::string& text) override {
    streams_.err << text << std::endl;
    redraw_.Keep();
  }
  void Finish(const v1::Job& job) override { streams_.out << "\n" << JobSummary(job); }

 private:
  const Streams streams_;
  Redraw redraw_;
};

class LineView final : public JobView {
 public:
  explicit LineView(const Streams& streams) : streams_(streams) {}

  absl::Status Show(const v1::Job& job, absl::Time now) override {
    const std::string line = WatchLine(job);
    if (line == last_) return absl::OkStatus();
    last_ = line;
    streams_.out << absl::FormatTime("%H:%M:%SZ", now, absl::UTCTimeZone()) << "  " << line
                 << std::endl;
    return absl::OkStatus();
  }
  void Note(const std::string& text) override { streams_.err << text << std::endl; }
  void Finish(const v1::Job& job) override { streams_.out << "\n" << JobSummary(job); }

 private:
  const Streams streams_;
  std::string last_;
};

class DocumentView final : public JobView {
 public:
  explicit DocumentView(const Context& context) : context_(context) {}

  absl::Status Show(const v1::Job& job, absl::Time) override {
    const bool is_yaml = context_.globals.format == Format::kYaml;
    const absl::StatusOr<std::string> document = is_yaml ? ToYaml(job) : ToJsonLine(job);
    if (!document.ok()) return document.status();
    context_.streams.out << (is_yaml ? "---\n" : "") << *document << std::flush;
    return absl::OkStatus();
  }
  void Note(const std::string& text) override { context_.streams.err << text << std::endl; }
  void Finish(const v1::Job&) override {}

 private:
  const Context context_;
};

}  // namespace

std::unique_ptr<JobView> MakeJobView(const Context& context) {
  if (context.globals.format != Format::kTable) return std::make_unique<DocumentView>(context);
  if (context.streams.out_is_terminal) return std::make_unique<ScreenView>(context.streams);
  return std::make_unique<LineView>(context.streams);
}

}  // namespace paci::cli
