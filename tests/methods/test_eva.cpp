// SPDX-License-Identifier: GPL-3.0-or-later
// EVA's start: directions found batch after batch, ranks shared out by what they explain, and what
// cannot be found. Its numbers are held to PEFT's in tests/parity/eva.py.
#include "engine/methods/eva.h"

#include <cmath>

#include "engine/methods/incremental_pca.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestEva : public QObject {
  Q_OBJECT

  MethodBase base_;

  /// Batches of drawn tokens; of each the tokens from `unlabelled` on have a label.
  EvaBatches batches(LoadedModel& loaded, std::int64_t count, std::int64_t tokens,
                     const AdapterSettings& settings, std::int64_t unlabelled = 0) {
    const auto pass = [&loaded, tokens, settings, unlabelled, this](
                          std::int64_t number, const EvaBatches::Told& told) -> Status {
      ++passes_;
      auto generator = at::make_generator<at::CPUGeneratorImpl>(100 + number);
      const Tensor ids =
          torch::empty({tokens}, torch::kFloat32).uniform_(5, 120, generator).to(torch::kInt64);
      Example example;
      for (std::int64_t i = 0; i < tokens; ++i) {
        example.input_ids.push_back(ids[i].item<std::int64_t>());
        example.labels.push_back(i < unlabelled ? kIgnoreLabel : example.input_ids.back());
      }
      const ModelInput input = collate({example});
      told(eva_tokens(input.labels, settings));
      loaded.model->decode(loaded.model->embed(input), nullptr);
      return {};
    };
    return {count, pass};
  }
  AdapterSettings settings(std::vector<std::string> set) const {
    set.push_back("adapter.init_lora_weights=eva");
    return base_.recipe("lora", set).adapter;
  }
  int passes_ = 0;

 private slots:
  /// The first batch alone is its largest part; more batches come to what all rows come to at once.
  void directions_of_all_rows() {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(3);
    const auto drawn = [&](std::int64_t rows, std::int64_t columns) {
      return torch::empty({rows, columns}, torch::kFloat32).normal_(0, 1, generator);
    };
    const Tensor shape = drawn(4, 20) * torch::tensor({8.0, 4.0, 2.0, 1.0}).unsqueeze(1);
    const Tensor rows = torch::mm(drawn(90, 4), shape) + 3;  // of four directions, off the middle
    IncrementalPca pca(3);
    const auto far_from_whole = [&](const Tensor& seen) {
      const auto [u, s, v] = at::linalg_svd(seen - seen.mean(0), /*full_matrices=*/false);
      const Tensor wanted = v.slice(0, 0, 3), got = pca.components().to(torch::kFloat32);
      const double lengths = far(pca.singular_values().to(torch::kFloat32), s.slice(0, 0, 3));
      const Tensor share = (s.square() / s.square().sum()).slice(0, 0, 3);
      return std::max({far(torch::mm(got.t(), got), torch::mm(wanted.t(), wanted)), lengths,
                       far(pca.explained().to(torch::kFloat32), share)});
    };
    pca.add(rows.slice(0, 0, 30));
    QVERIFY(far_from_whole(rows.slice(0, 0, 30)) < 1e-4);
    pca.add(rows.slice(0, 30, 45));
    pca.add(rows.slice(0, 45, 90));
    QVERIFY2(far_from_whole(rows) < 0.1, std::to_string(far_from_whole(rows)).c_str());
    IncrementalPca all(4);  // with all directions kept nothing is lost on the way
    all.add(rows.slice(0, 0, 30));
    all.add(rows.slice(0, 30, 90));
    const auto whole = at::linalg_svd(rows - rows.mean(0), /*full_matrices=*/false);
    QVERIFY(far(all.singular_values().to(torch::kFloat32), std::get<1>(whole).slice(0, 0, 4)) <
            1e-4);
  }

  void ranks_go_where_more_is_explained() {
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const Tensor plain = logits_of(*loaded.model);
    const AdapterSettings asked =
        settings({"adapter.r=3", "adapter.lora_alpha=6", "adapter.eva_tau=0.9",
                  "adapter.target_modules=[q_proj, v_proj, down_proj]"});
    const auto made = create_eva_adapter(loaded, asked, 1, batches(loaded, 6, 60, asked));
    QVERIFY2(made, made ? "" : made.error().sentence().c_str());
    const Adapter& adapter = **made;
    std::int64_t sum = 0, halves = 0;
    std::set<std::int64_t> ranks;
    std::map<std::string, Tensor> tensors;
    for (const auto& [key, tensor] : adapter.tensors()) tensors[key] = tensor;
    const auto scales = ScalePatterns::compile(adapter.settings(), "");
    QVERIFY(scales);
    for (const auto& [key, tensor] : tensors) {
      if (key.ends_with(".lora_B.weight")) QVERIFY(tensor.abs().max().item<double>() == 0);
      if (!key.ends_with(".lora_A.weight")) continue;
      ++halves;
      ranks.insert(tensor.size(0));
      QVERIFY(tensor.size(0) <= 6);  // rho is 2
      if (key.find("language_model") == std::string::npos) continue;
      sum += tensor.size(0);
      QVERIFY2(far(torch::mm(tensor, tensor.t()), torch::eye(tensor.size(0))) < 1e-4, key.c_str());
      const std::string module = key.substr(std::string("base_model.model.").size());
      const auto scale = scales->of(module.substr(0, module.rfind(".lora_A")));
      QVERIFY(scale && std::abs(scale->scale - 2) < 1e-9);  // alpha goes with the rank
    }
    QVERIFY(halves > 0 && ranks.size() > 1);
    QCOMPARE(sum, std::int64_t{18});  // of two layers' three modules
    QVERIFY(same_bytes(*loaded.model, before));
    QVERIFY(torch::equal(logits_of(*loaded.model), plain));  // nothing hangs any more
    (*made)->activate();
    QVERIFY(torch::equal(logits_of(*loaded.model), plain) ||
            far(logits_of(*loaded.model), plain) < 1e-6);
    (*made)->deactivate();
    // The same again, and through a folder.
    const auto again = create_eva_adapter(loaded, asked, 1, batches(loaded, 6, 60, asked));
    QVERIFY(again);
    for (const auto& [key, tensor] : (*again)->tensors())
      QVERIFY2(torch::equal(tensor, tensors.at(key)), key.c_str());
    const fs::path folder = base_.made("eva");
    QVERIFY((*made)->save(folder, "base"));
    const Json config = *read_json_file(folder / Adapter::kConfigFile);
    QCOMPARE(config["init_lora_weights"], Json("eva"));
    QCOMPARE(config["eva_config"]["tau"], Json(0.9));
    QVERIFY(!config["rank_pattern"].empty() && !config.contains("eva_tau"));
    const auto read = load_adapter(loaded, folder);
    QVERIFY2(read, read ? "" : read.error().sentence().c_str());
    for (const auto& [key, tensor] : (*read)->tensors())
      QVERIFY2(torch::equal(tensor, tensors.at(key)), key.c_str());
  }

  /// The budget is what was asked for; with a reach of 1 there is nothing to give away. A tower
  /// that no picture reaches has LoRA's own start.
  void the_budget_stays() {
    LoadedModel loaded = base_.load();
    for (const char* rho : {"1", "2"}) {
      const AdapterSettings asked =
          settings({"adapter.r=2", std::string("adapter.eva_rho=") + rho, "adapter.eva_tau=0.5",
                    "adapter.target_modules=[q_proj, o_proj, fc1]"});
      const auto made = create_eva_adapter(loaded, asked, 1, batches(loaded, 4, 50, asked));
      QVERIFY2(made, made ? "" : made.error().sentence().c_str());
      std::int64_t sum = 0, layers = 0, towers = 0;
      for (const auto& [key, tensor] : (*made)->tensors()) {
        if (!key.ends_with(".lora_A.weight")) continue;
        const bool text = key.find("language_model") != std::string::npos;
        sum += text ? tensor.size(0) : 0;
        layers += text ? 1 : 0;
        towers += text ? 0 : 1;
        if (!text || *rho == '1') QCOMPARE(tensor.size(0), std::int64_t{2});
      }
      QVERIFY(towers > 0);
      if (*rho == '1') QCOMPARE(layers, std::int64_t{4});
      QCOMPARE(sum, std::int64_t{8});  // of two layers' two modules
    }
  }

  void what_cannot_be_found() {
    LoadedModel loaded = base_.load();
    const auto refusal = [&](std::vector<std::string> set, std::int64_t tokens,
                             std::int64_t unlabelled) {
      set.push_back("adapter.target_modules=.*language_model.*q_proj");
      const AdapterSettings asked = settings(set);
      const auto made =
          create_eva_adapter(loaded, asked, 1, batches(loaded, 3, tokens, asked, unlabelled));
      return made ? Error() : made.error();
    };
    QCOMPARE(refusal({"adapter.r=40"}, 50, 0).where, std::string("adapter.eva_rho"));
    passes_ = 0;
    QVERIFY(refusal({"adapter.r=4"}, 20, 15).what.find("as many rows") != std::string::npos);
    QVERIFY2(passes_ < 9, std::to_string(passes_).c_str());  // once around, and not for ever
    QVERIFY(
        refusal({"adapter.r=4", "adapter.eva_use_label_mask=false", "adapter.eva_tau=0.5"}, 20, 15)
            .what.empty());
  }
};

QTEST_GUILESS_MAIN(TestEva)
#include "test_eva.moc"
