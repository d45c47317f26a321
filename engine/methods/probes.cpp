// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/probes.h"

#include <array>
#include <cmath>

#include "engine/device/product_library.h"
#include "engine/io/files.h"
#include "engine/methods/adapter.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

constexpr std::int64_t kProbeTokens = 96;  // drawn ones, after a probe's own text
constexpr std::int64_t kProbeRows = 160;   // of logits, the last of a probe

/// A PNG of 4 × 4 coloured pixels.
constexpr std::array<unsigned char, 120> kPicture{
    137, 80,  78,  71,  13,  10,  26,  10,  0,   0,   0,   13,  73,  72,  68,  82,  0,   0,
    0,   4,   0,   0,   0,   4,   8,   2,   0,   0,   0,   38,  147, 9,   41,  0,   0,   0,
    63,  73,  68,  65,  84,  120, 218, 1,   52,  0,   203, 255, 0,   121, 66,  189, 242, 33,
    6,   240, 132, 119, 98,  240, 243, 0,   203, 77,  118, 77,  199, 7,   32,  81,  21,  154,
    15,  137, 0,   242, 198, 218, 202, 227, 68,  187, 49,  18,  69,  253, 111, 0,   132, 223,
    154, 215, 197, 179, 208, 118, 172, 14,  143, 83,  135, 138, 25,  131, 236, 142, 123, 134,
    0,   0,   0,   0,   73,  69,  78,  68,  174, 66,  96,  130};

/// Ids of the whole vocabulary but those of pictures and films, the same each time.
void append_drawn(Example& example, std::int64_t vocabulary, const ChatProcessor& processor) {
  std::uint64_t state = 0x9e3779b97f4a7c15ull;
  for (std::int64_t i = 0; i < kProbeTokens; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    auto id = static_cast<TokenId>((state >> 33) % static_cast<std::uint64_t>(vocabulary));
    while (processor.shows(id)) id = id == 0 ? vocabulary - 1 : id - 1;
    example.input_ids.push_back(id);
    example.labels.push_back(kIgnoreLabel);
  }
}

/// While it stands, each of an adapter's float32 numbers is one next to its own.
class LastBitsTurned {
 public:
  explicit LastBitsTurned(Adapter& adapter) : adapter_(adapter) { turn(); }
  ~LastBitsTurned() { turn(); }
  LastBitsTurned(const LastBitsTurned&) = delete;
  LastBitsTurned& operator=(const LastBitsTurned&) = delete;

 private:
  void turn() {
    const torch::NoGradGuard no_grad;
    for (const auto& [key, tensor] : adapter_.tensors()) {
      if (tensor.scalar_type() == torch::kFloat32)
        tensor.detach().view(torch::kInt32).bitwise_xor_(1);
    }
    adapter_.rest();
  }

  Adapter& adapter_;
};

}  // namespace

Result<std::vector<Example>> make_probes(const LoadedModel& base, const fs::path& scratch) {
  const fs::path picture = scratch / "probe.png";
  // One that is cut short would be a probe less, and the proof another one than it says.
  LUTHIER_CHECK(write_file_atomically(
      picture, {reinterpret_cast<const char*>(kPicture.data()), kPicture.size()}));
  const auto text = [](const char* words) {
    return ContentPart{ContentPart::Kind::Text, words, {}};
  };
  const Message answer{"assistant",
                       {text("Sixteen squares, each of another colour: 4 rows of 4.")}};
  Conversation seen, read;
  seen.messages = {
      {"user",
       {ContentPart{ContentPart::Kind::Image, {}, picture}, text("What is in the picture?")}},
      answer};
  read.messages = {{"user", {text("How many squares have 4 rows of 4?")}}, answer};
  std::vector<Example> probes;
  for (const Conversation& conversation : {seen, read}) {
    auto example = base.processor->encode_training(conversation, LossOn::All, 0, "the probe");
    if (example) probes.push_back(example.take());
  }
  std::error_code problem;
  fs::remove(picture, problem);
  if (problem)
    return machine_error("The probe's picture cannot be removed: " + problem.message(),
                         picture.string());
  if (probes.empty()) probes.emplace_back();
  for (Example& probe : probes) {
    append_drawn(probe, base.model->geometry().vocab_size, *base.processor);
    if (base.model->sequence_to_sequence() && probe.source_ids.empty())
      probe.source_ids = probe.input_ids;
  }
  return probes;
}

std::vector<Tensor> probe_logits(Model& model, const std::vector<Example>& probes) {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> logits;
  for (const Example& probe : probes) {
    const Tensor states = states_before_head(model, collate({probe}));  // [tokens, hidden]
    const std::int64_t rows = std::min(kProbeRows, states.size(0));
    logits.push_back(
        model.head()->forward(states.slice(0, states.size(0) - rows)).to(torch::kFloat32));
  }
  return logits;
}

double relative_difference(const std::vector<Tensor>& got, const std::vector<Tensor>& wanted) {
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double here = (got[i] - wanted[i]).abs().max().item<double>();
    if (!std::isfinite(here)) return std::nan("");
    difference = std::max(difference, here);
    largest = std::max(largest, wanted[i].abs().max().item<double>());
  }
  return largest > 0 ? difference / largest : difference;
}

double difference_of_rounding(Model& model, Adapter& adapter, const std::vector<Example>& probes,
                              const std::vector<Tensor>& logits) {
  const OtherProducts other;
  const LastBitsTurned turned(adapter);
  const double difference = relative_difference(probe_logits(model, probes), logits);
  return std::isfinite(difference) ? difference : 0;
}

bool same_probes(const std::vector<Example>& a, const std::vector<Example>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].input_ids != b[i].input_ids || a[i].images.size() != b[i].images.size()) return false;
    for (std::size_t image = 0; image < a[i].images.size(); ++image) {
      if (a[i].images[image].values != b[i].images[image].values) return false;
    }
  }
  return true;
}

}  // namespace luthier
