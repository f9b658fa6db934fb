#include "common/config/yaml_node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/text_check.h"

namespace paci {
namespace {

constexpr int kMaxDepth = 8;
constexpr int kMaxValues = 10000;

// Leaves the parser early. Never leaves this file.
struct Refusal {
  int line;
  int column;
  std::string reason;
};

int Line(const YAML::Mark& mark) { return mark.line + 1; }
int Column(const YAML::Mark& mark) { return mark.column + 1; }

// Builds a YamlNode from the parser's events. Single-threaded.
class TreeBuilder : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    Add(mark, YamlNode::Kind::kNull, "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{Line(mark), Column(mark), "an alias (*name) is not taken; write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    Add(mark, YamlNode::Kind::kScalar, tag);
    Last().text = value;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Open(mark, YamlNode::Kind::kList, tag);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Open(mark, YamlNode::Kind::kMap, tag);
  }
  void OnMapEnd() override { open_.pop_back(); }

  YamlNode TakeRoot() { return std::move(root_); }

 private:
  // What was added last: the root, or the last item of the innermost open node.
  YamlNode& Last() { return open_.empty() ? root_ : open_.back()->items.back(); }

  void Add(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& tag) {
    // "?" and "!" are how the parser says that there is none, of plain and of quoted values.
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refusal{Line(mark), Column(mark), absl::StrCat("a tag (", tag, ") is not taken")};
    }
    if (++values_ > kMaxValues) {
      throw Refusal{Line(mark), Column(mark),
                    absl::StrCat("more than ", kMaxValues, " values; a job file has about 40")};
    }
    if (!open_.empty()) open_.back()->items.emplace_back();
    Last().kind = kind;
    Last().line = Line(mark);
    Last().column = Column(mark);
  }

  void Open(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& tag) {
    Add(mark, kind, tag);
    if (open_.size() >= kMaxDepth) {
      throw Refusal{Line(mark), Column(mark),
                    absl::StrCat("nested deeper than ", kMaxDepth, " levels; a job file has 2")};
    }
    open_.push_back(&Last());
  }

  YamlNode root_;
  // From the root to the innermost. An item's address holds while it is open: its siblings come
  // after it is closed.
  std::vector<YamlNode*> open_;
  int values_ = 0;
};

// Refuses a second document, and what a parser may leave behind unread.
class NothingMore : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { Refuse(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Refuse(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { Refuse(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string&) override {
    Refuse(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Refuse(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Refuse(mark);
  }
  void OnMapEnd() override {}

 private:
  [[noreturn]] static void Refuse(const YAML::Mark& mark) {
    throw Refusal{Line(mark), Column(mark), "the document ends before this; a file has one"};
  }
};

Refusal At(const std::string& text, size_t index, std::string reason) {
  const auto begin = text.begin();
  const int line = static_cast<int>(std::count(begin, begin + index, '\n'));
  const size_t line_start = index == 0 ? std::string::npos : text.rfind('\n', index - 1);
  const size_t column = line_start == std::string::npos ? index : index - line_start - 1;
  return {line + 1, static_cast<int>(column) + 1, std::move(reason)};
}

// What the parser must not see: it takes some bytes for the end of the file, and guesses encodings.
std::optional<Refusal> FindUnreadableByte(const std::string& text) {
  const std::optional<size_t> invalid = FindInvalidUtf8(text);
  if (invalid.has_value()) return At(text, *invalid, "the file is not UTF-8");
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (IsControl(c) && c != '\n' && c != '\r' && c != '\t') {
      return At(text, i, "a control character");
    }
  }
  return std::nullopt;
}

YamlNode Parse(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  TreeBuilder builder;
  parser.HandleNextDocument(builder);
  NothingMore nothing_more;
  parser.HandleNextDocument(nothing_more);
  return builder.TakeRoot();
}

absl::Status NotValid(const std::string& file_name, const Refusal& refusal) {
  return absl::InvalidArgumentError(absl::StrCat(file_name, ":", refusal.line, ":", refusal.column,
                                                 ": not valid YAML: ", refusal.reason));
}

}  // namespace

absl::StatusOr<YamlNode> ReadYaml(const std::string& text, const std::string& file_name) {
  if (text.size() > kMaxJobFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file_name, ": larger than ", kMaxJobFileBytes, " bytes; is this a job file?"));
  }
  const std::optional<Refusal> unreadable = FindUnreadableByte(text);
  if (unreadable.has_value()) return NotValid(file_name, *unreadable);
  try {
    return Parse(text);
  } catch (const Refusal& refusal) {
    return NotValid(file_name, refusal);
  } catch (const YAML::Exception& e) {
    return NotValid(file_name, {Line(e.mark), Column(e.mark), e.msg});
  } catch (const std::exception& e) {
    return NotValid(file_name, {1, 1, e.what()});
  }
}

}  // namespace paci
