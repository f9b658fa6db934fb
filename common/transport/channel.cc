#include "common/transport/channel.h"

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

absl::string_view NameOf(FrameKind kind) {
  switch (kind) {
    case FrameKind::kActivation:
      return "activation";
    case FrameKind::kGradient:
      return "gradient";
    case FrameKind::kEvaluation:
      return "validation activation";
    case FrameKind::kStateCopy:
      return "part of a state's copy";
    case FrameKind::kControl:
      return "control";
    case FrameKind::kTied:
      return "tied head's frame";
  }
  return "frame of an unknown kind";
}

}  // namespace

std::string ToString(const FrameTag& tag) {
  std::string text = absl::StrCat(NameOf(tag.kind), " ", tag.index);
  if (tag.chunk != 0) absl::StrAppend(&text, " of chunk ", tag.chunk);
  return text;
}

std::string ToString(const LinkId& link) {
  std::string text = absl::StrCat("job ", link.job_id, ", generation ", link.generation, ", stage ",
                                  link.from_stage, " -> ", link.to_stage);
  if (link.lane != 0) absl::StrAppend(&text, ", lane ", static_cast<int>(link.lane));
  return text;
}

absl::Status CheckFrame(const LinkId& link, const FrameTag& expected, size_t expected_bytes,
                        const FrameTag& got, uint64_t got_bytes) {
  if (expected == got && expected_bytes == got_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the link of ", ToString(link), " brought ", ToString(got), " of ", got_bytes,
      " bytes where ", ToString(expected), " of ", expected_bytes, " bytes comes next"));
}

}  // namespace paci
