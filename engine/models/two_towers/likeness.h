// SPDX-License-Identifier: GPL-3.0-or-later
// How alike pictures and texts are to a model of two towers: the matrix of likenesses, what it says
// of each picture (zero-shot classification, Radford et al. 2021), and how often a row's own text
// or picture is among the first found (recall at k).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/device/torch.h"
#include "engine/models/loaded_model.h"
#include "engine/models/two_towers/likeness_table.h"

namespace luthier {

/// Rows of a picture and its text; a picture that stands in several rows is one with several texts.
Result<PicturesAndTexts> pictures_and_texts(const std::vector<std::filesystem::path>& files,
                                            const std::filesystem::path& image_folder);

struct Likenesses {
  torch::Tensor logits;  ///< [texts, pictures] float32, scaled as the model's loss takes them
  torch::Tensor probabilities;  ///< [pictures, texts]: shares of the texts, or each pair's own
  bool pairwise = false;        ///< the probabilities are each pair's own
};

/// `together`: pictures or texts that go through a tower at once. `go_on`: called between them with
/// what share is done.
Result<Likenesses> likenesses(const LoadedModel& model, const ChatProcessor& processor,
                              const PicturesAndTexts& given, std::size_t together,
                              const std::function<bool(double share)>& go_on);

/// logits [seeking, found]; `own`: of each seeking one the places that are right. What is as alike
/// as a right one stands before it.
Recall recall_of(const torch::Tensor& logits, const std::vector<std::vector<std::size_t>>& own,
                 const std::vector<std::size_t>& ks);
/// Both ways of what belongs together; needs `given.picture_of`.
Recalls recalls_of(const PicturesAndTexts& given, const Likenesses& found,
                   const std::vector<std::size_t>& ks);
/// To be shown, with recalls among 1, 5 and 10 where it is known what belongs together.
LikenessTable table_of(PicturesAndTexts given, const Likenesses& found);

}  // namespace luthier
