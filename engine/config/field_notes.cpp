// SPDX-License-Identifier: GPL-3.0-or-later
// The notes, in the order of the table of fields. Settings that one sentence fits share it.
#include "engine/config/field_notes.h"

#include <string_view>

namespace luthier {

namespace {

struct NoteRow {
  const char* keys;  ///< with spaces between them
  FieldNote note;
};

// What several settings cost alike.
constexpr const char* kFreeCost = "It costs neither memory nor time.";
constexpr const char* kMCost = "More of it takes more memory.";
constexpr const char* kTCost = "More of it takes more time.";
constexpr const char* kMtCost = "More of it takes more memory and time.";
constexpr const char* kDiskCost = "It costs room on the disk.";
constexpr const char* kModel2Cost = "A second model stands in memory beside the trained one.";
constexpr const char* kReadCost =
    "Reading takes a moment at the start; the number of rows decides how long an epoch is.";
constexpr const char* kSlowstepCost = "It makes each step a little slower.";
constexpr const char* kTrainmemCost =
    "What trains takes memory for its gradients and the optimizer as well.";
constexpr const char* kAdaptersmallCost = "A few numbers more in the adapter.";
constexpr const char* kDrawCost =
    "Drawing answers is most of such a step: longer ones take more time and memory.";
constexpr const char* kQualityCost = "It costs nothing, but too much of it spoils the answers.";
constexpr const char* kSlowerLearningCost =
    "It costs nothing, but larger values learn more slowly.";
constexpr const char* kUnstableCost =
    "It costs nothing, but too large a value makes the run unstable.";
constexpr const char* kSavesCost = "It saves memory and costs some time.";
constexpr const char* kStartCost = "It costs some time once, before the first step.";

constexpr NoteRow kNotes[] = {
    {"model",
     {"A model whose weights fit two or three times into memory leaves room to train.", kMCost}},
    {"init", {"Pretrained is usual; random is for training from scratch.", kFreeCost}},
    {"dataset", {"A few hundred to some ten thousand rows are usual for an adapter.", kReadCost}},
    {"dataset_columns dataset_prompt dataset_answer",
     {"Empty is usual; the Data page fills them in where columns are called otherwise.",
      kFreeCost}},
    {"eval_dataset",
     {"A hundred to a thousand rows that are not among the training data.", kTCost}},
    {"image_folder", {"Empty where pictures lie beside the file of rows.", kFreeCost}},
    {"output_dir", {"A new name for each run, as runs/first.", kDiskCost}},
    {"objective",
     {"sft for answers that are given; dpo where rows hold a better and a worse one.", kFreeCost}},
    {"strategy", {"lora is usual; full needs several times the memory.", kTrainmemCost}},
    {"ref_model ppo.value_model", {"Empty is usual.", kModel2Cost}},
    {"freeze.vision_tower", {"Fixed is usual: a trained tower wants much data.", kTrainmemCost}},
    {"freeze.projector freeze.language_model",
     {"To teach a new kind of picture the projector trains first and the language model stays "
      "fixed.",
      kTrainmemCost}},
    {"freeze.vision_tower_last_layers freeze.language_model_last_layers",
     {"2 to 8 layers are usual.", kTrainmemCost}},
    {"freeze.unfreeze_steps", {"50 to 500 steps where it is used; empty is usual.", kTrainmemCost}},
    {"adapter.r", {"8 to 64 is usual; 16 does for most tasks.", kMtCost}},
    {"adapter.lora_alpha adapter.alpha", {"Twice the rank is usual.", kUnstableCost}},
    {"adapter.lora_dropout adapter.vera_dropout adapter.boft_dropout",
     {"0 to 0.1 is usual; more with few rows.", kSlowstepCost}},
    {"adapter.rank_dropout adapter.module_dropout adapter.encoder_dropout",
     {"0 is usual; 0.1 to 0.3 where it overfits.", kFreeCost}},
    {"adapter.target_modules",
     {"all-linear is usual; q_proj, v_proj is the smallest common choice.", kMtCost}},
    {"adapter.exclude_modules adapter.layers_to_transform adapter.layers_pattern "
     "adapter.rank_pattern adapter.alpha_pattern adapter.n_frequency_pattern grpo.delta "
     "grpo.off_policy_mask_threshold reward_clip_range",
     {"Empty is usual.", kFreeCost}},
    {"adapter.use_rslora", {"On from a rank of about 64.", kFreeCost}},
    {"adapter.use_dora", {"Off is usual; on where a low rank learns too little.", kMtCost}},
    {"adapter.init_lora_weights",
     {"true is usual; pissa or olora learn faster in the first steps.", kStartCost}},
    {"adapter.modules_to_save adapter.target_parameters adapter.trainable_token_indices",
     {"Empty is usual; embeddings and head where new words are learned.", kTrainmemCost}},
    {"adapter.bias adapter.lora_bias", {"Without is usual.", kAdaptersmallCost}},
    {"adapter.init_from",
     {"Empty is usual; a folder to go on from an earlier adapter.", kFreeCost}},
    {"adapter.alora_invocation_tokens adapter.ensure_weight_tying",
     {"As the base asks for it; most need nothing here.", kFreeCost}},
    {"adapter.eva_rho adapter.eva_tau adapter.eva_use_label_mask adapter.eva_label_mask_value "
     "adapter.eva_whiten adapter.eva_adjust_scaling_factors",
     {"PEFT's defaults are usual.", kStartCost}},
    {"adapter.loftq_bits adapter.loftq_iter", {"4 bits and 1 to 5 rounds are usual.", kStartCost}},
    {"adapter.init_r adapter.target_r", {"12 at first and 8 at last are usual.", kMtCost}},
    {"adapter.tinit adapter.tfinal adapter.deltaT adapter.total_step",
     {"A tenth of the steps before, a third after, and every 10 steps between.", kFreeCost}},
    {"adapter.beta1 adapter.beta2 adapter.orth_reg_weight",
     {"0.85 for the means and 0.5 for the weight are usual.", kFreeCost}},
    {"adapter.projection_prng_key adapter.random_loc_seed training.seed",
     {"Any number; several seeds show how much of a result is chance.", kFreeCost}},
    {"adapter.save_projection", {"On is usual, so that others read it everywhere.", kDiskCost}},
    {"adapter.d_initial", {"0.1 is usual.", kFreeCost}},
    {"adapter.init_weights adapter.init_ia3_weights",
     {"On is usual: the model begins as the base.", kFreeCost}},
    {"adapter.use_effective_conv2d adapter.decompose_both adapter.rank_dropout_scale adapter.coft "
     "adapter.block_share adapter.apply_GS",
     {"Off is usual.", kFreeCost}},
    {"adapter.decompose_factor", {"-1 is usual.", kMCost}},
    {"adapter.feedforward_modules",
     {"The last product of the feed-forward (down_proj).", kFreeCost}},
    {"adapter.oft_block_size adapter.boft_block_size", {"4 to 64 is usual.", kMtCost}},
    {"adapter.boft_block_num adapter.boft_n_butterfly_factor",
     {"0 blocks (by their size) and 1 rotation are usual.", kMtCost}},
    {"adapter.eps", {"Around 6e-5.", kQualityCost}},
    {"adapter.use_cayley_neumann adapter.num_cayley_neumann_terms",
     {"On, with 5 terms, is usual.", kTCost}},
    {"adapter.n_frequency", {"500 to 3000 for a large model, 16 for a small one.", kMtCost}},
    {"adapter.scaling", {"100 to 300 is usual.", kUnstableCost}},
    {"adapter.token_indices", {"The ids of the few tokens that are new.", kAdaptersmallCost}},
    {"adapter.num_virtual_tokens", {"10 to 100 is usual.", kMtCost}},
    {"adapter.prompt_tuning_init adapter.prompt_tuning_init_text",
     {"TEXT, with an instruction for the task, learns soonest.", kFreeCost}},
    {"adapter.encoder_reparameterization_type adapter.encoder_hidden_size "
     "adapter.encoder_num_layers adapter.prefix_projection",
     {"The defaults are usual; a network helps where learning is unsteady.", kMtCost}},
    {"adapter.prompt_depth", {"shallow is usual; deep learns more.", kMtCost}},
    {"adapter.config adapter.reduction_factor adapter.non_linearity",
     {"pfeiffer with a factor of 16 is the smaller usual choice.", kMtCost}},
    {"quantization.load_in_4bit quantization.load_in_8bit",
     {"On where the base would not fit otherwise.", kSavesCost}},
    {"quantization.bnb_4bit_quant_type quantization.bnb_4bit_use_double_quant "
     "quantization.llm_int8_skip_modules quantization.llm_int8_threshold",
     {"nf4 with double quantization, and a threshold of 6.", kSavesCost}},
    {"quantization.bnb_4bit_compute_dtype",
     {"auto is the fastest that the machine has.", kSavesCost}},
    {"mixture.weights mixture.temperature",
     {"Empty is usual; a temperature of 2 brings small files up.", kFreeCost}},
    {"replay.dataset replay.share", {"5 to 20 % of earlier data keeps what was learned.", kTCost}},
    {"curriculum.by curriculum.pacing curriculum.initial_competence curriculum.full_after "
     "curriculum.reverse",
     {"No course is usual; by length, from a tenth of the rows, is a common one.", kFreeCost}},
    {"router_aux_loss_coef",
     {"0.001 to 0.01 for a mixture of experts; empty otherwise.", kFreeCost}},
    {"loss_type", {"The first choice is the one of the paper, and usual.", kFreeCost}},
    {"loss_weights reward_weights", {"Empty, which is 1 each, is usual.", kFreeCost}},
    {"beta", {"0.05 to 0.5 is usual.", kSlowerLearningCost}},
    {"rloo.beta grpo.beta", {"0 to 0.1 is usual; 0 needs no reference.", kModel2Cost}},
    {"gkd.beta distillation.beta", {"0, 0.5 or 1.", kFreeCost}},
    {"label_smoothing", {"0 is usual; up to 0.3 where labels are often wrong.", kFreeCost}},
    {"dpo.f_divergence_type dpo.f_alpha_divergence_coef dpo.ld_alpha dpo.use_weighting "
     "dpo.discopop_tau",
     {"The defaults are usual.", kFreeCost}},
    {"dpo.reference_free", {"Off is usual.", kSavesCost}},
    {"dpo.precompute_ref_log_probs",
     {"On where the reference would not fit beside the model.", kSavesCost}},
    {"dpo.sync_ref_model dpo.ref_model_mixup_alpha dpo.ref_model_sync_steps",
     {"Off is usual; 0.6 every 512 steps where it is on.", kModel2Cost}},
    {"kto.desirable_weight kto.undesirable_weight",
     {"1 each; more for the kind that has fewer rows, up to a third more in all.", kFreeCost}},
    {"reward.center_rewards_coefficient", {"0.01 is usual.", kFreeCost}},
    {"prm.step_separator prm.train_on_last_step_only", {"A line break, and all steps.", kFreeCost}},
    {"cpo.cpo_alpha simpo_gamma",
     {"1 for the likelihood and 0.5 to 1.5 for the margin.", kFreeCost}},
    {"cpo.alpha simpo.alpha", {"0 is usual.", kFreeCost}},
    {"xpo.alpha", {"1e-6 to 1e-4.", kFreeCost}},
    {"num_generations", {"4 to 16 is usual; with fewer there is little to compare.", kDrawCost}},
    {"max_completion_length max_new_tokens ppo.response_length",
     {"A little more than the longest good answer.", kDrawCost}},
    {"temperature", {"0.7 to 1 is usual.", kFreeCost}},
    {"top_p top_k", {"1 and 0, which is all tokens, are usual.", kFreeCost}},
    {"reward_funcs", {"One to three; the simplest that tells good from bad.", kTCost}},
    {"reward_model", {"A model of the trained one’s size or smaller.", kModel2Cost}},
    {"rollouts", {"Empty is usual: answers are drawn.", kFreeCost}},
    {"grpo.use_bias_correction_kl grpo.importance_sampling_level grpo.scale_rewards "
     "grpo.multi_objective_aggregation rloo.normalize_advantages ppo.whiten_rewards "
     "ppo.kl_estimator",
     {"The default is usual.", kFreeCost}},
    {"epsilon epsilon_high ppo.cliprange ppo.cliprange_value",
     {"0.2 is usual; 0.28 above lets more be tried.", kUnstableCost}},
    {"num_iterations ppo.num_ppo_epochs", {"1 to 4 is usual.", kTCost}},
    {"steps_per_generation ppo.num_mini_batches", {"As many as a step has is usual.", kFreeCost}},
    {"mask_truncated_completions", {"On where answers are often cut off.", kFreeCost}},
    {"grpo.top_entropy_quantile",
     {"1 is usual; 0.2 learns from the deciding words alone.", kFreeCost}},
    {"grpo.entropy_coef",
     {"0 is usual; 0.001 to 0.01 against answers that all become alike.", kQualityCost}},
    {"grpo.sapo_temperature_pos grpo.sapo_temperature_neg grpo.vespo_k_pos grpo.vespo_lambda_pos "
     "grpo.vespo_k_neg grpo.vespo_lambda_neg",
     {"The paper's values are the defaults.", kFreeCost}},
    {"contrastive.gradient_cache",
     {"Off is usual: on where a window is too large, or several ranks share it.", kSavesCost}},
    {"two_views.temperature", {"0.1 to 0.5 is usual.", kFreeCost}},
    {"two_views.smallest", {"0.08 for photographs, 0.2 for small pictures.", kFreeCost}},
    {"two_views.jitter", {"0.8 is usual; 0.4 for small pictures.", kFreeCost}},
    {"regions.exchange_probability",
     {"0.5 is usual; 0 where rows say themselves what belongs together.", kFreeCost}},
    {"matching.contrastive_weight",
     {"1 is usual; 0 where likenesses are good already and must stay.", kFreeCost}},
    {"image_text_pretraining.itc_weight image_text_pretraining.itm_weight "
     "image_text_pretraining.lm_weight",
     {"1 each is usual.", kMtCost}},
    {"image_text_pretraining.captioner",
     {"A captioner of the model's own sizes, as BLIP's authors publish both.", kModel2Cost}},
    {"image_text_pretraining.momentum", {"0.995, or 0 for small windows.", kModel2Cost}},
    {"image_text_pretraining.queue_size", {"57600 on many rows, with momentum.", kMCost}},
    {"image_text_pretraining.alpha", {"0.4 is usual.", kFreeCost}},
    {"image_text_pretraining.alpha_steps", {"The steps of two epochs.", kFreeCost}},
    {"mlm.mlm_probability span_corruption.noise_density replaced_tokens.mlm_probability "
     "regions.mlm_probability regions.region_probability",
     {"0.15 is usual.", kFreeCost}},
    {"replaced_tokens.generator",
     {"A quarter to a third as wide as the model, as deep as it.", kModel2Cost}},
    {"replaced_tokens.mask_replace_prob", {"0.85 is usual.", kFreeCost}},
    {"replaced_tokens.discriminator_weight", {"50 is usual.", kFreeCost}},
    {"replaced_tokens.table_sharing", {"shared is usual.", kTrainmemCost}},
    {"mlm.mask_replace_prob mlm.random_replace_prob regions.mask_replace_prob "
     "regions.random_replace_prob",
     {"0.8 and 0.1 are usual.", kFreeCost}},
    {"mlm.whole_word_mask regions.whole_word_mask",
     {"On is usual where words have many pieces.", kFreeCost}},
    {"mlm.max_ngram", {"1 is usual; 3 for ALBERT.", kFreeCost}},
    {"mlm.pairs",
     {"none is usual; next for BERT and order for ALBERT as they were made.", kFreeCost}},
    {"span_corruption.mean_noise_span_length", {"3 is usual.", kFreeCost}},
    {"denoising.mask_ratio", {"0.3 is usual, for mBART 0.35.", kFreeCost}},
    {"denoising.poisson_lambda", {"3 is usual.", kFreeCost}},
    {"denoising.permute_sentence_ratio", {"1 is usual.", kFreeCost}},
    {"denoising.random_ratio", {"0.1 is usual; 0 puts masks alone.", kFreeCost}},
    {"infilling.fim_rate infilling.fim_spm_rate", {"0.5 each is usual.", kFreeCost}},
    {"infilling.prefix_token infilling.suffix_token infilling.middle_token",
     {"As the tokenizer of the base has them.", kFreeCost}},
    {"teacher_model_name_or_path", {"A larger model of the same family.", kModel2Cost}},
    {"visual_alignment.teacher", {"CLIP-L/14 at 336 pixels is the paper's.", kModel2Cost}},
    {"visual_alignment.weight", {"1 is the paper's.", kFreeCost}},
    {"gkd.lmbda", {"0.5 is usual; 1 learns from own answers alone.", kDrawCost}},
    {"gkd.seq_kd", {"Off is usual.", kDrawCost}},
    {"teacher_top_k", {"50 to 200; empty keeps the teacher in memory.", kSavesCost}},
    {"teacher_logits", {"Empty is usual.", kSavesCost}},
    {"missing_eos_penalty", {"Empty, or about 1 where answers never end.", kFreeCost}},
    {"nash_md.mixture_coef", {"0.5 is usual.", kDrawCost}},
    {"ppo.kl_coef", {"0.01 to 0.2 is usual.", kSlowerLearningCost}},
    {"ppo.vf_coef", {"0.1 to 1 is usual.", kFreeCost}},
    {"ppo.gamma ppo.lam", {"1 and 0.95 are usual.", kFreeCost}},
    {"image.min_pixels film.min_pixels",
     {"Empty is usual; more where small print must be read.", kMtCost}},
    {"image.max_pixels film.max_pixels",
     {"200,000 to 1,000,000; each picture costs tokens by its size.", kMtCost}},
    {"image.on_error", {"refuse is usual, skip for data that nobody can mend.", kFreeCost}},
    {"film.num_frames film.min_frames film.max_frames",
     {"4 to 32 is usual; every frame is a picture.", kMtCost}},
    {"film.fps", {"0.5 to 2 is usual.", kMtCost}},
    {"training.device", {"auto is usual.", kFreeCost}},
    {"training.dtype", {"auto is usual; bfloat16 halves the memory of float32.", kMCost}},
    {"training.num_train_epochs", {"1 to 3 is usual; more learns the rows by heart.", kTCost}},
    {"training.max_steps", {"-1 is usual; 50 to 200 to try something.", kTCost}},
    {"training.per_device_train_batch_size", {"1 to 8, as many as fit.", kMtCost}},
    {"training.gradient_accumulation_steps",
     {"So many that batch size times this is 8 to 64.", kTCost}},
    {"training.learning_rate training.adapter_learning_rate",
     {"1e-4 to 3e-4 for an adapter, 1e-5 for full training.", kUnstableCost}},
    {"training.vision_tower_learning_rate training.projector_learning_rate "
     "training.language_model_learning_rate",
     {"A tenth of the common rate for the tower; empty otherwise.", kUnstableCost}},
    {"training.lr_scheduler_type", {"cosine is usual.", kFreeCost}},
    {"training.warmup_ratio training.warmup_steps", {"3 to 10 % of the steps.", kFreeCost}},
    {"training.weight_decay", {"0 to 0.1 is usual.", kFreeCost}},
    {"training.max_grad_norm", {"1 is usual; 0.3 where the loss leaps.", kFreeCost}},
    {"training.optim", {"adamw_torch is usual; an 8-bit one where memory is short.", kMCost}},
    {"training.adam_beta1 training.adam_beta2 training.adam_epsilon",
     {"0.9, 0.999 (0.95 for large models) and 1e-8 are usual.", kFreeCost}},
    {"training.gradient_checkpointing",
     {"auto is usual: on where memory would not do.", kSavesCost}},
    {"training.max_length", {"As long as the longest row that matters: 512 to 4096.", kMtCost}},
    {"training.shuffle", {"On is usual.", kFreeCost}},
    {"training.loss_on", {"completion is usual.", kFreeCost}},
    {"training.logging_steps", {"1 to 10 is usual.", kFreeCost}},
    {"training.eval_steps", {"Ten to twenty evaluations in a run.", kTCost}},
    {"training.save_steps training.save_minutes",
     {"So often that losing what came since would not hurt.", kDiskCost}},
    {"training.save_total_limit", {"2 to 5 is usual.", kDiskCost}},
    {"training.on_low_memory", {"refuse is usual.", kFreeCost}},
    {"training.loraplus_lr_ratio training.loraplus_lr_embedding",
     {"Empty, or a ratio of 4 to 16.", kUnstableCost}},
    {"training.momentum training.dampening training.nesterov",
     {"A momentum of 0.9 to 0.95 is usual.", kFreeCost}},
    {"training.muon_learning_rate training.muon_adjust_lr_fn training.muon_ns_steps",
     {"The defaults are usual, with 5 rounds.", kTCost}},
    {"training.load_best_model_at_end training.metric_for_best_model training.greater_is_better",
     {"On, by the evaluation's loss, where evaluation data is given.", kDiskCost}},
    {"training.early_stopping_patience training.early_stopping_threshold",
     {"2 to 5 evaluations, with a threshold of 0.", kFreeCost}},
    {"samples.every samples.count samples.dataset",
     {"Every 20 to 200 steps, 3 to 8 rows.", kDrawCost}},
    {"forgetting.dataset forgetting.count",
     {"16 to 64 rows of what must not be forgotten.", kDrawCost}},
};

bool names_key(std::string_view keys, std::string_view key) {
  while (!keys.empty()) {
    const std::size_t end = keys.find(' ');
    if (keys.substr(0, end) == key) return true;
    if (end == std::string_view::npos) break;
    keys.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

FieldNote field_note(const std::string& key) {
  for (const NoteRow& row : kNotes)
    if (names_key(row.keys, key)) return row.note;
  const std::string_view last = std::string_view(key).substr(key.rfind('.') + 1);
  for (const NoteRow& row : kNotes)
    if (key.find('.') != std::string::npos && names_key(row.keys, last)) return row.note;
  return {};
}

}  // namespace luthier
