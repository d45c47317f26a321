// SPDX-License-Identifier: GPL-3.0-or-later
// What VisualBERT (Li et al. 2019) and LXMERT (Tan & Bansal 2019) are pretrained by: tokens of a
// text are covered (objectives/masking.h), it stays beside its picture's regions or another row's
// text takes its place, and the model says what was covered and whether the two belong together.
// Under LXMERT regions are covered, too, their features by zeros, and their classes and features
// are said; and a question whose picture is its own is answered. The loss is the sum that
// VisualBertForPreTraining and LxmertForPreTraining of transformers 5.17 make: means over the
// covered tokens, the rows and the answers, and over all regions that of each covered one's losses,
// by the detector's confidence in its class, times the model's visual_loss_normalizer.
//
// The draws go by the seed of the micro-batch and the row's place in it: one stream covers tokens,
// the second exchanges, the third covers regions, a number each. Of two texts the second is
// exchanged.
#include <algorithm>
#include <cmath>

#include "engine/base/random_stream.h"
#include "engine/data/region_rows.h"
#include "engine/data/text_pairs.h"
#include "engine/device/together.h"
#include "engine/models/cost.h"
#include "engine/models/visual_bert/region_reader.h"
#include "engine/objectives/masking.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/takes_other_rows.h"
#include "engine/objectives/token_hits.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr std::uint64_t kExchangeDraws = 1, kRegionDraws = 2;  // beside what covers tokens

struct RegionSettings {
  MaskingRule masking;
  double covered = 0.15, exchanged = 0.5;
  bool one_row = false;  ///< a micro-batch has one
};

/// What rows say of themselves: of each sequence of a batch.
struct WantedOfRows {
  Tensor match;              ///< [rows] int64, in the model's classes
  Tensor answered, answers;  ///< the rows that have one, and which: int64
  Tensor covered;            ///< [regions] float32: 1 where the region is
};

class RegionPretraining : public Objective, public TakesOtherRows {
 public:
  explicit RegionPretraining(const RegionSettings& settings) : settings_(settings) {}

  const RowKind& row_kind() const override { return region_rows(); }
  Status fits(const LoadedModel& base) const override {
    if (!region_reader(*base.model))
      return input_error(
          "A model of type " + std::string(base.family->model_type) + " reads no regions.",
          "objective", "Such a model is visual_bert or lxmert.");
    if (!base.model->encoder())
      return input_error("The checkpoint does not say what was covered.",
                         (base.folder / "config.json").string() + ": architectures",
                         "Choose classification, or a folder of the class for pretraining.");
    if (base.processor->tokenizer().special().mask) return {};
    return input_error("The tokenizer has no mask_token.",
                       (base.folder / "tokenizer_config.json").string() + ": mask_token");
  }

  Status check_beside_none(const EncodedRow& row) const override {
    if (row.numbers.contains(kMatch) || !settings_.one_row || settings_.exchanged <= 0) return {};
    return input_error(
        "The text of some rows is another row's of its micro-batch, and a micro-batch has "
        "one row.",
        "training.per_device_train_batch_size",
        "Raise it to two at least, or let regions.exchange_probability be 0.");
  }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    const Tokenizer& tokenizer = policy.base().processor->tokenizer();
    LUTHIER_CHECK(exchange(tokenizer, seed, rows));
    if (!masking_) masking_.emplace(settings_.masking, tokenizer);
    const bool covers = region_reader(policy.model())->covers_regions();
    for (std::size_t i = 0; i < rows.encoded.size(); ++i) {
      EncodedRow& row = rows.encoded[i];
      masking_->cover(row.sequences.front(), RandomStream(seed, i));
      RandomStream draws(seed, i, kRegionDraws);
      row.targets.clear();
      for (std::int64_t region = 0; covers && region < regions_of(row); ++region)
        row.targets.push_back(draws.chance(settings_.covered) ? 1 : 0);
    }
    return {};
  }

  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    Encoder& encoder = *policy.model().encoder();
    RegionReader& model = *region_reader(policy.model());
    const WantedOfRows wanted = wanted_of(model, batch);
    const RegionReader::Read read = model.read(covered_input(model, batch.input, wanted.covered));
    LossSum loss;
    loss.count = static_cast<std::int64_t>(batch.sequences.size());
    Tensor mean;
    const auto add = [&](const char* name, const Tensor& of_it) {
      mean = mean.defined() ? mean + of_it : of_it;
      loss.figures[name] = of_it.detach();
    };
    const Tensor places = label_places(batch.input);
    if (model.learns_words() && places.size(0) > 0) {
      const Tensor states = encoder.before_head(read.words.index_select(0, places)),
                   target = batch.input.labels.index_select(0, places);
      add("mlm_loss", chunked_cross_entropy(states, encoder.head(), target) / places.size(0));
      if (!policy.trains())
        loss.figures.merge(hit_figures(hit_labels(states, encoder.head(), target)));
    }
    if (const Tensor said = matched(model, read, loss.count); said.defined()) {
      add("match_loss", at::cross_entropy_loss(said, wanted.match));
      loss.figures["match_accuracy"] = share_right(said, wanted.match);
    }
    if (const Tensor said = answered(model, read, wanted); said.defined()) {
      add("answer_loss", at::cross_entropy_loss(said, wanted.answers));
      loss.figures["answer_accuracy"] = share_right(said, wanted.answers);
    }
    if (const Tensor of_regions = region_loss(model, read, batch.input, wanted.covered);
        of_regions.defined())
      add("region_loss", of_regions);
    if (!mean.defined()) mean = read.pooled.sum().to(torch::kFloat32) * 0;  // nothing is learned
    loss.sum = mean * loss.count;
    return loss;
  }

  std::int64_t labels_used(std::int64_t labels) const override {
    return std::llround(settings_.masking.probability * static_cast<double>(labels));
  }
  /// Of words as of any covered ones; the features once more with some of them at zero.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    LossCost cost = cross_entropy_cost(pass, head);
    cost.work += 2 * pass.terms.floats(pass.pictures.numbers);
    return cost;
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override;

 private:
  static std::int64_t regions_of(const EncodedRow& row) {
    const std::vector<PixelValues>& images = row.sequences.front().images;
    return images.empty() ? 0 : images.front().shape.front();
  }

  /// Gives rows that do not say it a text that belongs to their regions, or another row's.
  Status exchange(const Tokenizer& tokenizer, std::uint64_t seed, MicroBatch& rows) const {
    const std::vector<EncodedRow> own = rows.encoded;
    const auto two_texts = [&](std::size_t i) { return own[i].numbers.contains(kFirstWords); };
    for (std::size_t i = 0; i < own.size(); ++i) {
      EncodedRow& row = rows.encoded[i];
      if (!row.numbers.contains(kMatch)) {
        if (own.size() < 2) LUTHIER_CHECK(check_beside_none(row));
        RandomStream draws(seed, i, kExchangeDraws);
        std::vector<std::size_t> others;
        for (std::size_t other = 0; other < own.size(); ++other)
          if (rows.rows.at(other) != rows.rows.at(i) && two_texts(other) == two_texts(i))
            others.push_back(other);
        const bool changed = draws.chance(settings_.exchanged) && !others.empty();
        row.numbers[kMatch] = changed ? 0 : 1;
        if (changed) {
          const std::size_t other =
              others[static_cast<std::size_t>(draws.below(static_cast<int>(others.size())))];
          take_text(tokenizer, own[i], own[other], draws, row);
        }
      }
      // A question about another picture has no answer.
      if (row.numbers.at(kMatch) == 0) row.numbers.erase(kAnswer);
    }
    return {};
  }

  /// Of two texts the second, which is cut as the longer of both rows leaves room.
  static void take_text(const Tokenizer& tokenizer, const EncodedRow& own, const EncodedRow& other,
                        RandomStream& draws, EncodedRow& row) {
    const Example &mine = own.sequences.front(), &its = other.sequences.front();
    const auto first = own.numbers.find(kFirstWords);
    Example made = its;
    if (first != own.numbers.end()) {
      TextPair pair = taken_apart(tokenizer, mine, static_cast<std::size_t>(first->second));
      pair.second =
          taken_apart(tokenizer, its, static_cast<std::size_t>(other.numbers.at(kFirstWords)))
              .second;
      const std::size_t added = tokenizer.pair_pieces().size() - 2;
      cut_longer_text(pair, std::max(mine.input_ids.size(), its.input_ids.size()) - added, draws);
      made = laid_out_pair(tokenizer, pair);
    }
    made.images = mine.images;
    for (PixelValues& regions : made.images)  // aligned to words that are gone
      if (regions.grid.size() > 2) regions.grid = {regions.grid.front(), 0};
    row.sequences.front() = std::move(made);
  }

  static WantedOfRows wanted_of(const RegionReader& model, const Batch& batch) {
    std::vector<std::int64_t> match, rows, answers;
    std::vector<float> covered;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const EncodedRow& row = batch.rows->encoded[batch.sequences[i].row];
      const auto belongs = row.numbers.find(kMatch), answer = row.numbers.find(kAnswer);
      const bool does = belongs == row.numbers.end() || belongs->second != 0;
      match.push_back(does ? model.belonging() : 1 - model.belonging());
      if (answer != row.numbers.end()) {
        rows.push_back(static_cast<std::int64_t>(i));
        answers.push_back(static_cast<std::int64_t>(answer->second));
      }
      for (std::int64_t region = 0; region < regions_of(row); ++region) {
        const auto at = static_cast<std::size_t>(region);
        covered.push_back(at < row.targets.size() ? static_cast<float>(row.targets[at]) : 0);
      }
    }
    WantedOfRows wanted{torch::tensor(match, torch::kInt64), torch::tensor(rows, torch::kInt64),
                        torch::tensor(answers, torch::kInt64),
                        torch::tensor(covered, torch::kFloat32)};
    move_together({&wanted.match, &wanted.answered, &wanted.answers, &wanted.covered},
                  batch.input.input_ids.device());
    return wanted;
  }

  static ModelInput covered_input(const RegionReader& model, const ModelInput& input,
                                  const Tensor& covered) {
    if (!model.covers_regions()) return input;
    ModelInput seen = input;
    const std::int64_t width = model.region_width();
    const Tensor& whole = input.pixel_values;
    seen.pixel_values =
        at::cat({whole.slice(1, 0, width).masked_fill(covered.unsqueeze(1).to(torch::kBool), 0),
                 whole.slice(1, width)},
                1);
    return seen;
  }

  /// Of the batch's rows, without filler: [rows, 2] float32.
  static Tensor matched(const RegionReader& model, const RegionReader::Read& read,
                        std::int64_t rows) {
    if (!model.learns_matches()) return {};
    const Tensor said = model.matched(read);
    return said.defined() ? said.slice(0, 0, rows).to(torch::kFloat32) : said;
  }
  /// Of the rows that have an answer; undefined: none has.
  static Tensor answered(const RegionReader& model, const RegionReader::Read& read,
                         const WantedOfRows& wanted) {
    if (wanted.answers.size(0) == 0) return {};
    const Tensor said = model.answered(read);
    return said.defined() ? said.index_select(0, wanted.answered).to(torch::kFloat32) : said;
  }

  static Tensor region_loss(const RegionReader& model, const RegionReader::Read& read,
                            const ModelInput& input, const Tensor& covered) {
    if (!model.covers_regions()) return {};
    const RegionReader::OfRegions said = model.of_regions(read);
    const std::int64_t behind = model.region_width();
    const auto column = [&](std::int64_t at) { return input.pixel_values.select(1, behind + at); };
    Tensor sum;
    const auto add = [&](const Tensor& of_each) {
      const Tensor mean = of_each.mean() * model.region_weight();
      sum = sum.defined() ? sum + mean : mean;
    };
    const auto add_classes = [&](const Tensor& logits, std::int64_t at) {
      if (!logits.defined()) return;
      const Tensor each = at::cross_entropy_loss(
          logits.to(torch::kFloat32), column(at).to(torch::kInt64), {}, at::Reduction::None);
      add(each * column(at + 1) * covered);
    };
    add_classes(said.objects, region_numbers::kObject);
    add_classes(said.attributes, region_numbers::kAttribute);
    if (said.features.defined()) {
      const Tensor each =
          at::smooth_l1_loss(said.features.to(torch::kFloat32),
                             input.pixel_values.slice(1, 0, behind), at::Reduction::None);
      add(each.mean(1) * covered);
    }
    return sum;
  }

  static Tensor share_right(const Tensor& said, const Tensor& wanted) {
    const torch::NoGradGuard no_grad;
    return said.argmax(1).eq(wanted).to(torch::kFloat32).mean();
  }

  RegionSettings settings_;
  std::optional<Masking> masking_;
};

NamedTensors RegionPretraining::shown(Policy& policy, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  RegionReader& model = *region_reader(policy.model());
  Encoder& encoder = *policy.model().encoder();
  const auto rows = static_cast<std::int64_t>(batch.sequences.size());
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i)
    longest = std::max(longest, static_cast<std::int64_t>(batch.example(i).input_ids.size()));
  const Tensor ids = torch::full({rows, longest}, batch.padding, torch::kInt64),
               labels = torch::full({rows, longest}, kIgnoreLabel, torch::kInt64),
               mask = torch::zeros({rows, longest}, torch::kInt64),
               types = torch::zeros({rows, longest}, torch::kInt64);
  for (std::int64_t row = 0; row < rows; ++row) {
    const Example& example = batch.example(static_cast<std::size_t>(row));
    const auto put = [&](const Tensor& into, const std::vector<std::int64_t>& numbers) {
      const auto length = static_cast<std::int64_t>(numbers.size());
      into[row].slice(0, 0, length).copy_(torch::tensor(numbers, torch::kInt64));
    };
    put(ids, {example.input_ids.begin(), example.input_ids.end()});
    put(labels, example.labels), put(types, example.token_types);
    mask[row].slice(0, 0, static_cast<std::int64_t>(example.input_ids.size())).fill_(1);
  }
  const WantedOfRows wanted = wanted_of(model, batch);
  const RegionReader::Read read = model.read(covered_input(model, batch.input, wanted.covered));
  const Tensor places = label_places(batch.input);
  NamedTensors shown{
      {"input_ids", ids},
      {"attention_mask", mask},
      {"token_type_ids", types},
      {"labels", labels},
      {"match_labels", wanted.match.cpu()},
      {"answer_rows", wanted.answered.cpu()},
      {"covered", wanted.covered.cpu()},
      {"logits", encoder.head()
                     ->forward(encoder.before_head(read.words.index_select(0, places)))
                     .to(torch::kFloat32)
                     .cpu()}};
  const RegionReader::OfRegions said = model.of_regions(read);
  const Tensor answers = model.answered(read);  // of filler, too
  const std::pair<const char*, Tensor> heads[] = {
      {"match_logits", matched(model, read, rows)},
      {"answer_logits", answers.defined() ? answers.slice(0, 0, rows) : answers},
      {"object_logits", said.objects},
      {"attribute_logits", said.attributes},
      {"features", said.features}};
  for (const auto& [name, tensor] : heads)
    if (tensor.defined()) shown.emplace_back(name, tensor.to(torch::kFloat32).cpu());
  return shown;
}

}  // namespace

Result<std::unique_ptr<Objective>> make_regions(const Recipe& recipe) {
  RegionSettings settings;
  settings.masking = {recipe.more.number("regions.mlm_probability"),
                      recipe.more.number("regions.mask_replace_prob"),
                      recipe.more.number("regions.random_replace_prob"),
                      recipe.more.flag("regions.whole_word_mask"), 1};
  settings.covered = recipe.more.number("regions.region_probability");
  settings.exchanged = recipe.more.number("regions.exchange_probability");
  settings.one_row = recipe.training.per_device_train_batch_size == 1;
  return std::unique_ptr<Objective>(std::make_unique<RegionPretraining>(settings));
}

}  // namespace luthier
