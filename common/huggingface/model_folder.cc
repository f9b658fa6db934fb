#include "common/huggingface/model_folder.h"

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/durable_file.h"
#include "common/checkpoint/mapped_file.h"
#include "common/config/checkpoint_directory.h"
#include "common/huggingface/config_json.h"
#include "common/huggingface/float_values.h"
#include "common/huggingface/unit_weights.h"
#include "nlohmann/json.hpp"

namespace paci {
namespace {

namespace fs = std::filesystem;

constexpr char kConfig[] = "config.json";
constexpr char kHead[] = "lm_head.weight";
constexpr char kWeights[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr absl::string_view kPrefix = "transformer.";

absl::StatusOr<std::string> ReadText(const std::string& path) {
  const auto file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  const auto bytes = (*file)->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// The tensors of a folder, of one file or of several.
class TensorFolder {
 public:
  static absl::StatusOr<TensorFolder> Open(const std::string& folder) {
    TensorFolder opened(folder);
    std::error_code error;
    if (fs::exists(absl::StrCat(folder, "/", kWeights), error)) {
      if (absl::Status added = opened.Add(kWeights); !added.ok()) return added;
      return opened;
    }
    const absl::StatusOr<std::set<std::string>> names = FilesOfIndex(folder);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      if (absl::Status added = opened.Add(name); !added.ok()) return added;
    }
    return opened;
  }

  // Some folders leave the first part of GPT-2's names out.
  absl::StatusOr<TensorView> Find(absl::string_view name) const {
    for (const absl::string_view candidate : {name, absl::StripPrefix(name, kPrefix)}) {
      const auto found = tensors_.find(candidate);
      if (found != tensors_.end()) return found->second;
    }
    return absl::NotFoundError(absl::StrCat(folder_, " has no tensor ", name));
  }

 private:
  explicit TensorFolder(std::string folder) : folder_(std::move(folder)) {}

  static absl::StatusOr<std::set<std::string>> FilesOfIndex(const std::string& folder) {
    const std::string path = absl::StrCat(folder, "/", kIndex);
    const absl::StatusOr<std::string> text = ReadText(path);
    if (absl::IsNotFound(text.status())) {
      return absl::NotFoundError(absl::StrCat(folder, " has neither ", kWeights, " nor ", kIndex));
    }
    if (!text.ok()) return text.status();
    const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    const auto map = json.is_object() ? json.find("weight_map") : json.end();
    if (!json.is_object() || map == json.end() || !map->is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(path,
                                                     " has no weight_map; expected an object "
                                                     "from tensors to files"));
    }
    std::set<std::string> names;
    for (const auto& [tensor, file] : map->items()) {
      const std::string name = file.is_string() ? file.get<std::string>() : "";
      // A plain name: none leads out of the folder.
      if (name.empty() || name.find('/') != std::string::npos) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ": the file of ", tensor, " is no plain name of a file in its folder"));
      }
      names.insert(name);
    }
    return names;
  }

  absl::Status Add(const std::string& name) {
    auto file = SafetensorsFile::Open(absl::StrCat(folder_, "/", name));
    if (!file.ok()) return file.status();
    files_.push_back(std::make_unique<SafetensorsFile>(*std::move(file)));
    for (const TensorView& tensor : files_.back()->tensors()) tensors_[tensor.name] = tensor;
    return absl::OkStatus();
  }

  std::string folder_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

struct Weight {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

std::vector<int64_t> Turned(const WeightName& weight) {
  return {weight.shape.rbegin(), weight.shape.rend()};
}

TensorView ViewOf(const Weight& weight) {
  return {weight.name, Dtype::kF32, weight.shape,
          absl::MakeConstSpan(reinterpret_cast<const std::byte*>(weight.values.data()),
                              weight.values.size() * sizeof(float))};
}

// Reads `weight` as `stored` has it; its shape there is `shape`.
absl::StatusOr<Weight> Read(const WeightName& weight, const TensorView& stored,
                            const std::vector<int64_t>& shape, absl::string_view source) {
  if (stored.shape != shape) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ": ", stored.name, " is [", absl::StrJoin(stored.shape, ", "),
                     "]; expected [", absl::StrJoin(shape, ", "), "]"));
  }
  absl::StatusOr<std::vector<float>> values = FloatsOf(stored);
  if (!values.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(source, ": ", values.status().message()));
  }
  return Weight{weight.name, shape, *std::move(values)};
}

void Transpose(Weight& weight) {
  weight.values = Transposed(weight.values, weight.shape[0], weight.shape[1]);
  std::swap(weight.shape[0], weight.shape[1]);
}

absl::StatusOr<std::vector<Weight>> ReadUnit(const TensorFolder& source, const std::string& folder,
                                             const v1::ModelSpec& model, uint32_t unit) {
  std::vector<Weight> weights;
  for (const WeightName& name : WeightsOfUnit(model, unit)) {
    const bool is_tied = model.tied_head() && name.name == kHead;
    const absl::StatusOr<TensorView> stored =
        source.Find(is_tied ? WeightsOfUnit(model, 0).front().name : name.name);
    if (!stored.ok()) return stored.status();
    absl::StatusOr<Weight> weight =
        Read(name, *stored, name.is_transposed ? Turned(name) : name.shape, folder);
    if (!weight.ok()) return weight.status();
    if (name.is_transposed) Transpose(*weight);
    weights.push_back(*std::move(weight));
  }
  return weights;
}

std::vector<TensorView> ViewsOf(const std::vector<Weight>& weights) {
  std::vector<TensorView> views;
  for (const Weight& weight : weights) views.push_back(ViewOf(weight));
  return views;
}

absl::Status ExpectAbsent(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat(path, " is there already; expected another name, or it moved away"));
}

}  // namespace

absl::StatusOr<Manifest> ImportModel(const std::string& folder, const std::string& into,
                                     const std::string& name) {
  const std::string config_path = absl::StrCat(folder, "/", kConfig);
  const absl::StatusOr<std::string> config = ReadText(config_path);
  if (!config.ok()) return config.status();
  const absl::StatusOr<v1::ModelSpec> model = ModelOfConfig(*config, config_path);
  if (!model.ok()) return model.status();
  const absl::StatusOr<TensorFolder> tensors = TensorFolder::Open(folder);
  if (!tensors.ok()) return tensors.status();

  v1::JobSpec spec;
  spec.set_name(name);
  *spec.mutable_model() = *model;
  spec.mutable_checkpoint()->set_dir(into);
  spec.mutable_checkpoint()->set_keep(1);
  v1::CommitCheckpoint commit;
  commit.mutable_key()->set_job_id(name);
  const std::string directory = CheckpointDirectory(spec, name, CheckpointName());
  if (absl::Status absent = ExpectAbsent(directory); !absent.ok()) return absent;
  for (uint32_t unit = 0; unit <= model->layers() + 1; ++unit) {
    const auto weights = ReadUnit(*tensors, folder, *model, unit);
    absl::StatusOr<v1::CheckpointPart> part =
        weights.ok() ? WritePart(directory, /*update=*/0, {{unit, ViewsOf(*weights), {}}})
                     : absl::StatusOr<v1::CheckpointPart>(weights.status());
    if (!part.ok()) {
      std::error_code ignored;
      fs::remove_all(directory, ignored);
      return part.status();
    }
    commit.mutable_files()->MergeFrom(part->files());
  }
  if (absl::Status committed = CommitManifest(spec, commit); !committed.ok()) return committed;
  return ReadManifest(directory);
}

absl::StatusOr<uint64_t> ExportModel(const std::string& directory, const std::string& folder) {
  const absl::StatusOr<Manifest> manifest = ReadManifest(directory);
  if (!manifest.ok()) return manifest.status();
  if (absl::Status whole = VerifyWeights(directory); !whole.ok()) return whole;
  for (const char* name : {kConfig, kWeights}) {
    const absl::Status absent = ExpectAbsent(absl::StrCat(folder, "/", name));
    if (!absent.ok()) return absent;
  }
  const v1::ModelSpec& model = manifest->spec.model();
  std::vector<Weight> weights;
  for (uint32_t unit = 0; unit <= model.layers() + 1; ++unit) {
    const absl::StatusOr<SafetensorsFile> file = OpenWeights(directory, unit);
    if (!file.ok()) return file.status();
    for (const WeightName& name : WeightsOfUnit(model, unit)) {
      if (model.tied_head() && name.name == kHead) continue;
      const absl::StatusOr<TensorView> stored = file->Find(name.name);
      if (!stored.ok()) return stored.status();
      absl::StatusOr<Weight> weight = Read(name, *stored, name.shape, file->path());
      if (!weight.ok()) return weight.status();
      if (name.is_transposed) Transpose(*weight);
      weights.push_back(*std::move(weight));
    }
  }
  if (absl::Status made = MakeFolders(folder); !made.ok()) return made;
  const auto written = WriteSafetensors(folder, kWeights, ViewsOf(weights), {{"format", "pt"}});
  if (!written.ok()) return written.status();
  auto config = DurableFile::Create(folder, kConfig);
  if (!config.ok()) return config.status();
  if (absl::Status put = (*config)->Append(ConfigOf(model)); !put.ok()) return put;
  if (const auto committed = (*config)->Commit(); !committed.ok()) return committed.status();
  return written->size_bytes();
}

}  // namespace paci
