// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/stored_parameter.h"

#include "engine/base/text.h"

namespace luthier {

namespace {

constexpr const char* kUnlikeConfig = "The weights do not belong to this config.json.";

Error missing_tensor(const StoredTensors& stored, const std::string& name) {
  return input_error("The tensor " + stored.family.stored_name(name) + " is missing.", stored.where,
                     "The weights do not belong to this config.json, or a shard is missing.");
}

/// The tensor of this in-memory name; none: there is none.
std::optional<StoredParameter::Part> part_named(const StoredTensors& stored,
                                                const std::string& name) {
  const auto found = stored.names.find(name);
  if (found == stored.names.end()) return std::nullopt;
  return StoredParameter::Part{name, *stored.files.find(found->second),
                               stored.where + ": " + found->second};
}

Status check_stored_shape(const StoredParameter::Part& part, const std::vector<std::int64_t>& shape,
                          const StoredTensors& stored) {
  if (part.view.info.shape == shape) return {};
  return input_error("The tensor " + stored.names.at(part.name) + " has shape " +
                         shape_text(part.view.info.shape) + ", config.json asks for " +
                         shape_text(shape) + ".",
                     stored.where, kUnlikeConfig);
}

}  // namespace

/// False: the files hold no piece of it.
Result<bool> StoredParameter::find_pieces(const StoredTensors& stored, const std::string& name,
                                          at::IntArrayRef shape) {
  if (!stored.family.pieces_of || shape.size() != 3) return false;
  // One matrix more than there are: a file that has it holds more than config.json says.
  const std::vector<std::int64_t> longer{shape[0] + 1, shape[1], shape[2]};
  std::optional<std::string> absent;
  for (const StackPiece& piece : stored.family.pieces_of(name, longer)) {
    auto part = part_named(stored, piece.name);
    if (piece.matrix == shape[0] && part && !parts_.empty()) {
      return input_error("The tensor " + stored.names.at(piece.name) + " is left over: there are " +
                             std::to_string(shape[0]) + " experts.",
                         stored.where, kUnlikeConfig);
    }
    if (piece.matrix == shape[0]) continue;
    if (!part) {
      if (!absent) absent = piece.name;
      continue;
    }
    LUTHIER_CHECK(check_stored_shape(*part, {piece.rows, shape[2]}, stored));
    part->of = piece;
    parts_.push_back(std::move(*part));
  }
  if (parts_.empty()) return false;
  if (absent) return missing_tensor(stored, *absent);
  in_pieces_ = true;
  return true;
}

Result<StoredParameter> StoredParameter::find(const StoredTensors& stored, const std::string& name,
                                              at::IntArrayRef shape) {
  StoredParameter parameter;
  parameter.shape_ = shape.vec();
  if (auto whole = part_named(stored, name)) {
    parameter.turned_ = is_turned(stored.family, name, whole->view.info.shape, shape);
    if (!parameter.turned_) LUTHIER_CHECK(check_stored_shape(*whole, shape.vec(), stored));
    parameter.parts_.push_back(std::move(*whole));
    return parameter;
  }
  LUTHIER_TRY(const bool pieces, parameter.find_pieces(stored, name, shape));
  if (!pieces) return missing_tensor(stored, name);
  return parameter;
}

Status StoredParameter::read(torch::Tensor target, const ReadWatch& watch,
                             std::string* broken) const {
  const torch::NoGradGuard no_grad;
  for (const Part& part : parts_) {
    bool finite = true;
    bool* look = broken ? &finite : nullptr;
    if (turned_) {
      LUTHIER_CHECK(read_turned(part.view, target, part.place, watch, look));
    } else if (in_pieces_) {
      const torch::Tensor place = target[part.of.matrix].narrow(0, part.of.row, part.of.rows);
      LUTHIER_CHECK(read_stored(part.view, place, part.place, watch, look));
    } else {
      LUTHIER_CHECK(read_stored(part.view, target, part.place, watch, look));
    }
    if (!finite && broken->empty()) *broken = part.place;
  }
  return {};
}

Status StoredParameter::read_some(std::int64_t first, torch::Tensor target, const ReadWatch& watch,
                                  std::string* broken) const {
  const torch::NoGradGuard no_grad;
  if (turned_ || in_pieces_) {
    const torch::Tensor whole = torch::empty(shape_, target.options());
    LUTHIER_CHECK(read(whole, watch, broken));
    target.copy_(whole.view({-1}).narrow(0, first, target.numel()));
    return {};
  }
  const Part& part = parts_.front();
  const auto width = static_cast<std::uint64_t>(dtype_size(part.view.info.dtype));
  TensorView some = part.view;  // as a tensor of its own
  some.info.shape = {target.numel()};
  some.info.begin = part.view.info.begin + static_cast<std::uint64_t>(first) * width;
  some.info.end = some.info.begin + static_cast<std::uint64_t>(target.numel()) * width;
  bool finite = true;
  LUTHIER_CHECK(read_stored(some, target, part.place, watch, broken ? &finite : nullptr));
  if (!finite && broken->empty()) *broken = part.place;
  const std::uint64_t left = part.view.info.end - part.view.info.begin -
                             static_cast<std::uint64_t>(target.numel()) * width;
  if (watch && !watch(left)) return interrupted_error();
  return {};
}

}  // namespace luthier
