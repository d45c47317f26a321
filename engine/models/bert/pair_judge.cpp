// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bert/pair_judge.h"
#include "engine/data/named_class.h"

#include <array>
#include <string_view>
#include <utility>

namespace luthier {

namespace {

constexpr std::array<std::pair<std::string_view, const char*>, 2> kPretrainingClasses{
    {{"bert", "BertForPreTraining"}, {"albert", "AlbertForPreTraining"}}};

}  // namespace

PairJudge* pair_judge(Model& model) {
  auto* judge = dynamic_cast<PairJudge*>(&model);
  return judge && judge->judges_pairs() ? judge : nullptr;
}

const char* pretraining_class(const std::string& model_type) {
  for (const auto& [type, name] : kPretrainingClasses)
    if (type == model_type) return name;
  return nullptr;
}

bool names_pretraining_class(const Json& config) {
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) return false;
  const char* name = pretraining_class(type->get<std::string>());
  return name && named_class(config) == name;
}

}  // namespace luthier
