// SPDX-License-Identifier: GPL-3.0-or-later
// BOFT as PEFT has it: x through a chain of block rotations (exact Cayley of (M − Mᵀ)/2), between
// which its numbers change places, and rows of the result scaled by boft_s. PEFT computes chains of
// one where its CUDA kernel is missing; here they are as long as the config says.
#include <algorithm>
#include <numeric>

#include "engine/base/random_stream.h"
#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/kinds/kind_table.h"
#include "engine/methods/kinds/turned_linear.h"
#include "engine/nn/batch_part.h"
#include "engine/nn/block_loops.h"

namespace luthier {

using torch::Tensor;

namespace {

const std::vector<SettingField>& boft_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table =
      fields_of_kind(method_kind("boft"),
                     {{"fan_in_fan_out", Use::Harmless, "PEFT sets it to false for a Linear"}});
  return table;
}

Result<AdapterSettings> read_boft(const Json& config, const std::string& where) {
  return read_kind_settings(method_kind("boft"), config, where);
}

Json write_boft(const AdapterSettings& settings) {
  Json config = write_kind_settings(method_kind("boft"), settings);
  config["fan_in_fan_out"] = false;
  return config;
}

struct BoftBlocks {
  std::int64_t factors = 0, count = 0, size = 0;  ///< all 0: the input does not divide so
};

/// Of a chain of several, blocks and their sizes are halved and mixed, so both must be even and
/// there must be enough of them.
BoftBlocks boft_blocks(std::int64_t in, const AdapterSettings& settings) {
  std::int64_t size = settings.more.integer("adapter.boft_block_size"),
               count = settings.more.integer("adapter.boft_block_num");
  const std::int64_t factors = settings.more.integer("adapter.boft_n_butterfly_factor");
  if (size > 0 && in % size == 0)
    count = in / size;
  else if (count > 0 && in % count == 0)
    size = in / count;
  else
    return {};
  const std::int64_t mixed = std::int64_t{1} << (factors - 1);
  if (factors > 1 && (count % mixed != 0 || count % 2 != 0 || size % 2 != 0)) return {};
  return {factors, count, size};
}

std::vector<TensorSize> boft_sizes(const ModelModule& module, const ModuleScale&,
                                   const AdapterSettings& settings) {
  const std::vector<std::int64_t> shape = product_shape(module);
  if (shape.empty()) return {};
  const BoftBlocks blocks = boft_blocks(shape[1], settings);
  if (blocks.count == 0) return {};
  const bool lying = module.convolution();  // as PEFT has it
  return {{".boft_R", {blocks.factors, blocks.count, blocks.size, blocks.size}},
          {".boft_s", {lying ? 1 : shape[0], lying ? shape[0] : 1}}};
}

Error undivided(const std::string& module, const std::string& where) {
  return input_error("The input of " + module + " does not divide into such blocks.", where,
                     "Choose another size or number of blocks, fewer rotations in a chain, or "
                     "leave the module out.");
}

Status check_boft_blocks(const ModuleToHang& to,
                         const std::vector<std::optional<TensorView>>& views,
                         const std::string& place) {
  if (!views.empty()) return {};
  return undivided(to.module.name, place);
}

Status check_boft_selection(const ModuleSelection& selection, const AdapterSettings&) {
  for (const WrappedModule& module : selection.wrapped)
    if (module.shapes.empty()) return undivided(module.name, "adapter.boft_block_size");
  return {};
}

/// The product's result, for the backward of the scales. In that: the gradients of both that meet
/// there, before x has one; later x turned and two of its gradient's ways.
void boft_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale&,
                const AdapterSettings&) {
  const std::vector<std::int64_t> shape = product_shape(module);
  const std::int64_t out = shape[0], in = shape[1];
  share.row_numbers = out;
  share.row_work = std::max(3 * in, 2 * out - in);
}

void draw_boft(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  tensors[1].fill_(1);
  if (!drawn_whole(to.settings)) return;
  tensors[0].normal_(0, kDrawnWidth, generator);
  tensors[1].normal_(1, kDrawnWidth, generator);
}

/// Where the numbers stand that a rotation's blocks take: [in] int64. In each run of `run` numbers
/// the halves of blocks with even numbers come first, then the odd ones.
Tensor mixed_places(std::int64_t in, std::int64_t run, std::int64_t half) {
  Tensor places = torch::empty({in}, torch::kInt64);
  auto* place = places.mutable_data_ptr<std::int64_t>();
  const std::int64_t halves = run / half, evens = (halves + 1) / 2;
  for (std::int64_t i = 0; i < in; ++i) {
    const std::int64_t begin = i / run * run, piece = (i - begin) / half;
    const std::int64_t from = piece < evens ? 2 * piece : 2 * (piece - evens) + 1;
    place[i] = begin + from * half + (i - begin) % half;
  }
  return places;
}

/// A rotation of the chain: its input's places, and those back.
struct BoftStep {
  Tensor there, back;  ///< undefined: numbers stay where they are
};

std::vector<BoftStep> boft_steps(std::int64_t in, const BoftBlocks& blocks,
                                 const torch::Device& device) {
  std::vector<BoftStep> steps(static_cast<std::size_t>(blocks.factors));
  if (blocks.factors == 1) return steps;
  for (std::int64_t i = 0; i < blocks.factors; ++i) {
    const std::int64_t run = in / (blocks.count >> i);
    const Tensor places = mixed_places(in, run, blocks.size / 2);
    steps[static_cast<std::size_t>(i)] = {places.argsort().to(device), places.to(device)};
  }
  return steps;
}

class BoftLinear : public TurnedLinear {
 public:
  BoftLinear(const std::vector<Tensor>& tensors, const BoftBlocks& blocks, std::int64_t in,
             double dropout, std::uint64_t place)
      : TurnedLinear({tensors[0]}, turned_by(boft_steps(in, blocks, tensors[0].device()), {}),
                     tensors[1]),
        steps_(boft_steps(in, blocks, tensors[0].device())),
        blocks_(blocks),
        dropout_(dropout),
        place_(place) {}

 private:
  /// `kept` [factors, blocks, 1, 1]: 0 where a block is not turned; undefined: all are.
  static MadeFromInput turned_by(std::vector<BoftStep> steps, Tensor kept) {
    return [steps = std::move(steps), kept](const Tensor& x, const std::vector<Tensor>& trained) {
      const Tensor& own = trained[0];  // [factors, blocks, b, b]
      const Tensor flat = own.flatten(0, 1);
      Tensor turns = cayley_less_one((flat - flat.transpose(1, 2)) / 2).view(own.sizes());
      if (kept.defined()) turns = turns * kept;
      Tensor result = x;
      for (std::size_t i = steps.size(); i-- > 0;) {  // the last one meets x first
        const Tensor matrices = turns[static_cast<std::int64_t>(i)];
        if (!steps[i].there.defined()) {
          result = with_block_products(result, matrices);
          continue;
        }
        const Tensor mixed = result.index_select(-1, steps[i].there);
        result = result + block_products(mixed, matrices).index_select(-1, steps[i].back);
      }
      return result;
    };
  }

  /// PEFT's: so many blocks of one rotation of the chain, as the share says rounded down.
  MadeFromInput turn_now() const override {
    const auto left_out = static_cast<std::int64_t>(dropout_ * static_cast<double>(blocks_.count));
    if (!training || left_out == 0) return turn_;
    RandomStream draws(seed, place_, BatchPart::here());
    const int factor = draws.below(static_cast<int>(blocks_.factors));
    std::vector<int> order(static_cast<std::size_t>(blocks_.count));
    std::iota(order.begin(), order.end(), 0);
    Tensor kept = torch::ones({blocks_.factors, blocks_.count, 1, 1}, torch::kFloat32);
    float* number = kept.mutable_data_ptr<float>() + factor * blocks_.count;
    for (std::int64_t i = 0; i < left_out; ++i) {  // the first of a shuffled order
      const int other = draws.between(static_cast<int>(i), static_cast<int>(blocks_.count) - 1);
      std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(other)]);
      number[order[static_cast<std::size_t>(i)]] = 0;
    }
    return turned_by(steps_, kept.to(trained_[0].device()));
  }

  std::vector<BoftStep> steps_;
  BoftBlocks blocks_;
  double dropout_;
  std::uint64_t place_;
};

Adapter::Hung hang_boft(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  const std::int64_t in = product_shape(to.module)[1];
  return hang_turned(
      ports, to,
      std::make_shared<BoftLinear>(tensors, boft_blocks(in, to.settings), in,
                                   to.settings.more.number("adapter.boft_dropout"), to.place));
}

const ModuleMethod kBoftModules{
    {"BOFT wraps Linear modules and convolutions over patches.", is_product_module, all_linear},
    {".boft_R", ".boft_s"},
    boft_sizes,
    boft_keeps,
    check_boft_blocks,
    draw_boft,
    hang_boft,
    check_boft_selection};

}  // namespace

const Method& boft_method() {
  static const Method method = [] {
    Method row(method_kind("boft"));
    row.fields = boft_fields;
    row.read = read_boft;
    row.write = write_boft;
    row.of_modules = &kBoftModules;
    return row;
  }();
  return method;
}

}  // namespace luthier
