// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW against LibTorch's own, the schedules against values of transformers' get_scheduler, the
// decay rule by its names.
#include "engine/batches/order.h"
#include "engine/optim/adamw.h"
#include "engine/optim/decay_rule.h"
#include "engine/optim/schedule.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

class TestOptim : public QObject {
  Q_OBJECT

 private slots:
  void follows_torchs_adamw() {
    torch::manual_seed(3);
    const torch::Tensor start = torch::randn({7, 5});
    torch::Tensor ours = start.clone().requires_grad_(true),
                  theirs = start.clone().requires_grad_(true);
    AdamW adamw({{"w", "language_model", ours, true}}, {0.9, 0.95, 1e-8, 0.1});
    torch::optim::AdamW reference(
        {theirs}, torch::optim::AdamWOptions(1e-2).betas({0.9, 0.95}).eps(1e-8).weight_decay(0.1));
    for (int step = 0; step < 20; ++step) {
      const torch::Tensor gradient = torch::randn({7, 5});
      ours.mutable_grad() = gradient.clone();
      theirs.mutable_grad() = gradient.clone();
      adamw.step(1e-2);
      reference.step();
    }
    QVERIFY((ours - theirs).abs().max().item<double>() < 1e-6);
  }

  void leaves_tensors_without_a_gradient_alone() {
    torch::Tensor moved = torch::ones({3}).requires_grad_(true),
                  still = torch::ones({3}).requires_grad_(true);
    AdamW adamw({{"a", "", moved, true}, {"b", "", still, true}}, {0.9, 0.999, 1e-8, 0.5});
    moved.mutable_grad() = torch::ones({3});
    adamw.step(0.1);
    QVERIFY(still.equal(torch::ones({3})));
    QVERIFY(!moved.equal(torch::ones({3})));
    QCOMPARE(adamw.state().size(), std::size_t(3));
  }

  void half_precision_moves_as_float32_rounded_once() {
    torch::manual_seed(4);
    torch::Tensor narrow = torch::randn({64}).to(torch::kBFloat16).requires_grad_(true);
    torch::Tensor wide = narrow.detach().to(torch::kFloat32).requires_grad_(true);
    AdamW first({{"w", "", narrow, true}}, {}), second({{"w", "", wide, true}}, {});
    const torch::Tensor gradient = torch::randn({64}).to(torch::kBFloat16);
    narrow.mutable_grad() = gradient.clone();
    wide.mutable_grad() = gradient.to(torch::kFloat32);
    first.step(1e-2);
    second.step(1e-2);
    QVERIFY((narrow.to(torch::kFloat32) - wide.to(torch::kBFloat16).to(torch::kFloat32))
                .abs()
                .max()
                .item<double>() < 0.02);
    QVERIFY(first.state().at("w.exp_avg").scalar_type() == torch::kFloat32);
  }

  void state_goes_and_comes_back() {
    torch::Tensor a = torch::ones({4}).requires_grad_(true),
                  b = a.detach().clone().requires_grad_(true);
    AdamW first({{"w", "", a, true}}, {}), second({{"w", "", b, true}}, {});
    a.mutable_grad() = torch::full({4}, 0.5f);
    first.step(0.1);
    {
      const torch::NoGradGuard no_grad;
      b.copy_(a);
    }
    QVERIFY(second.load_state(first.state(), "test").ok());
    for (torch::Tensor* tensor : {&a, &b}) tensor->mutable_grad() = torch::full({4}, 0.25f);
    first.step(0.1);
    second.step(0.1);
    QVERIFY(a.equal(b));
    QVERIFY(!second.load_state({{"other.exp_avg", torch::ones({4})}}, "test").ok());
    QVERIFY(!second
                 .load_state({{"w.exp_avg", torch::ones({5})},
                              {"w.exp_avg_sq", torch::ones({5})},
                              {"w.step", torch::tensor({std::int64_t(1)})}},
                             "test")
                 .ok());
  }

  void clips_by_the_norm_of_all() {
    torch::Tensor a = torch::zeros({2}).requires_grad_(true),
                  b = torch::zeros({1}).requires_grad_(true);
    a.mutable_grad() = torch::tensor({3.0f, 0.0f});
    b.mutable_grad() = torch::tensor({4.0f});
    const std::vector<TrainedTensor> tensors{{"a", "", a, true}, {"b", "", b, true}};
    QCOMPARE(gradient_norm(tensors), 5.0);
    clip_gradients(tensors, 5.0, 1.0);
    QVERIFY(std::abs(b.grad().item<float>() - 0.8f) < 1e-6);
    clip_gradients(tensors, 1.0, 0.0);
    QVERIFY(std::abs(b.grad().item<float>() - 0.8f) < 1e-6);
  }

  void schedules_have_their_shape() {
    TrainingSettings training;
    training.warmup_ratio = 0.1;
    const auto factor = [&](const char* name, std::int64_t done) {
      training.lr_scheduler_type = name;
      return make_schedule(training, 20)->factor(done);
    };
    QCOMPARE(factor("constant", 0), 1.0);
    QCOMPARE(factor("constant_with_warmup", 0), 0.0);
    QCOMPARE(factor("constant_with_warmup", 1), 0.5);
    QCOMPARE(factor("constant_with_warmup", 2), 1.0);
    QCOMPARE(factor("linear", 2), 1.0);
    QCOMPARE(factor("linear", 11), 0.5);
    QCOMPARE(factor("linear", 20), 0.0);
    QCOMPARE(factor("cosine", 2), 1.0);
    QVERIFY(std::abs(factor("cosine", 11) - 0.5) < 1e-12);
    QVERIFY(std::abs(factor("cosine", 20)) < 1e-12);
    training.warmup_steps = 5;  // above 0 replaces the ratio
    QCOMPARE(factor("linear", 4), 0.8);
    training.lr_scheduler_type = "polynomial";
    QVERIFY(!make_schedule(training, 20).ok());
  }

  void decay_spares_biases_and_norms() {
    QVERIFY(decays("model.language_model.layers.0.self_attn.q_proj.weight", false));
    QVERIFY(decays("base_model.model.model.layers.0.q_proj.lora_A.weight", false));
    QVERIFY(decays("model.vision_tower.embeddings.class_embedding", false));
    QVERIFY(decays("model.normal.weight", false));
    QVERIFY(!decays("model.vision_tower.layers.0.layer_norm1.weight", true));
    QVERIFY(!decays("x.in_proj_bias", false));
    QVERIFY(!decays("model.language_model.layers.0.input_layernorm.weight", false));
    QVERIFY(!decays("model.language_model.norm.weight", false));
    QVERIFY(!decays("layers.0.self_attn.q_norm.weight", false));
  }

  void rows_come_in_the_reference_samplers_order() {
    QCOMPARE(epoch_order(7, 42, 0, true), (std::vector<std::int64_t>{1, 6, 3, 5, 4, 0, 2}));
    QCOMPARE(epoch_order(7, 42, 1, true), (std::vector<std::int64_t>{3, 1, 2, 4, 5, 0, 6}));
    QCOMPARE(epoch_order(7, 42, 2, true), (std::vector<std::int64_t>{2, 6, 4, 0, 3, 1, 5}));
    QCOMPARE(epoch_order(3, 42, 5, false), (std::vector<std::int64_t>{0, 1, 2}));
  }

  void windows_end_at_an_epochs_edge() {
    TrainingSettings training;
    training.per_device_train_batch_size = 2;
    training.gradient_accumulation_steps = 3;
    training.num_train_epochs = 1.5;
    const StepPlan plan = *plan_steps(15, training);  // 8 batches, 3 steps an epoch
    QCOMPARE(plan.steps_per_epoch, 3);
    QCOMPARE(plan.total_steps, 5);
    QCOMPARE(plan.window(2).batches, 2);
    QCOMPARE(plan.window(2).epoch_after, 1.0);
    QCOMPARE(plan.window(3).epoch, 1);
    QCOMPARE(plan.window(3).first_batch, 0);
    QCOMPARE(plan.batches_before(4), 11);
    training.max_steps = 2;
    QCOMPARE(plan_steps(15, training)->total_steps, 2);
    QVERIFY(!plan_steps(0, training).ok());
  }
};

QTEST_APPLESS_MAIN(TestOptim)
#include "test_optim.moc"
