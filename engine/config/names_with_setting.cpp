// SPDX-License-Identifier: GPL-3.0-or-later
// Names of other tools for what is a setting here too.
#include "engine/config/names_table.h"

namespace luthier {

void add_names_with_setting(std::vector<NameElsewhere>& rows) {
  const auto called = [&](const char* key, const char* names, const char* note = "") {
    rows.push_back({NameElsewhere::Kind::Called, key, words_of(names), note});
  };

  called("model",
         "model_name_or_path model_name base_model model_id model_path model_id_or_path "
         "pretrained_model_name_or_path base_model_name_or_path base_model_config "
         "pretrained_model model_dir hf_model");
  called("init", "train_from_scratch from_scratch reinit_weights init_from_scratch",
         "Write init: random to start from random weights.");
  called("dataset",
         "train_dataset dataset_name datasets data_path train_file train_data data "
         "dataset_path train_data_path data_files training_data train_files data_file "
         "dataset_dir cached_dataset train_path train_datasets",
         "It takes a file of rows (JSONL or JSON), or a list of them.");
  called("eval_dataset",
         "val_dataset validation_dataset eval_data validation_file eval_file "
         "valid_dataset test_datasets eval_data_path val_data val_file eval_path "
         "eval_datasets val_datasets validation_data test_dataset dev_dataset",
         "It takes a file of rows, or a list of them.");
  called("eval_dataset",
         "val_size val_set_size test_size split_dataset_ratio validation_split "
         "eval_ratio val_ratio eval_size val_split eval_split_ratio",
         "Rows to evaluate on are a file of their own; nothing is split off.");
  called("mixture.weights",
         "interleave_probs interleave_prob probabilities dataset_weights sampling_weights "
         "data_weights",
         "A number for each file of dataset.");
  called("training.early_stopping_patience",
         "early_stopping early_stop patience early_stopping_steps early_stopping_rounds",
         "It counts evaluations.");
  called("training.metric_for_best_model", "best_metric monitor monitor_metric");
  called("training.load_best_model_at_end", "load_best_model keep_best save_best_checkpoint");
  called("quantization.load_in_4bit",
         "quantization_bit quant_bits quant_method quantization_config quantization_method qlora "
         "use_qlora quant_n_bits load_in_4bits use_4bit quantize",
         "Eight bits are quantization.load_in_8bit.");
  called("quantization.load_in_8bit", "load_in_8bits use_8bit");
  called("quantization.bnb_4bit_quant_type", "quantization_type bnb_quant_type");
  called("quantization.bnb_4bit_use_double_quant", "double_quantization double_quant");
  called("quantization.bnb_4bit_compute_dtype", "bnb_compute_dtype");
  called("image_folder",
         "image_root image_dir images_dir media_dir image_root_dir media_root "
         "image_base_dir images_folder image_path root_image_dir");
  called("output_dir",
         "run_name output out_dir save_dir run_dir output_path output_folder "
         "experiment_name exp_name run_id save_path checkpoint_dir ckpt_dir");
  called("objective", "stage rlhf_type training_type trainer_type train_stage task");
  called("strategy",
         "finetuning_type train_type tuner_type sft_type tuning_type peft_type method "
         "fine_tuning_type use_peft use_lora lora_enable enable_lora training_mode "
         "full_finetuning full_finetune lora_only peft_method",
         "It is the name of a method, such as full, freeze or lora.");
  called("image.max_pixels",
         "image_max_pixels image_resolution max_image_size image_size "
         "max_image_pixels resized_height resized_width",
         "It counts pixels of a picture (width × height).");
  called("image.min_pixels", "image_min_pixels min_image_pixels",
         "It counts pixels of a picture (width × height).");
  called("film.fps", "video_fps");
  called("film.num_frames", "nframes video_nframes video_num_frames num_video_frames");
  called("film.max_frames", "video_maxlen fps_max_frames video_max_frames max_video_frames");
  called("film.min_frames", "fps_min_frames video_min_frames min_video_frames");
  called("film.max_pixels", "video_max_pixels",
         "It counts pixels of a frame (width × height), or of all (Qwen3-VL).");
  called("film.min_pixels", "video_min_pixels",
         "It counts pixels of a frame (width × height), or of all (Qwen3-VL).");
  called("film", "videos videos_kwargs video", "Settings of films stand under it.");
  called("image.on_error", "skip_broken_images ignore_image_errors strict skip_invalid",
         "It is refuse or skip.");
  called("training.on_low_memory", "ignore_memory_forecast force skip_memory_check allow_oom",
         "It is refuse or try.");
  called("adapter", "lora peft peft_config lora_config peft_args lora_args",
         "The settings of a LoRA stand under it.");
  called("training",
         "train trainer training_args training_arguments sft_config hyperparameters "
         "training_config train_config train_args trainer_args "
         "optimization finetune_config",
         "The settings of the training stand under it.");
  called("image", "images vision processor_kwargs mm_processor_kwargs",
         "Limits of the pictures stand under it.");
  called("adapter.r", "lora_rank lora_r rank lora_dim adapter_rank lora_rank_dim peft_r vera_rank");
  called("adapter.lora_alpha", "lora_scale lora_scaling adapter_alpha peft_alpha");
  called("adapter.lora_dropout", "dropout lora_dropout_p lora_drop adapter_dropout peft_dropout");
  called("adapter.target_modules",
         "lora_target lora_target_modules lora_modules target targets lora_target_linear "
         "lora_target_regex target_regex "
         "lora_layers modules "
         "finetune_vision_layers finetune_language_layers finetune_attention_modules "
         "finetune_mlp_modules use_all_linear llm_lora vision_lora lora_on_vision",
         "It takes all-linear, names, or a regular expression over whole module names; "
         "adapter.exclude_modules takes some out again.");
  called("adapter.target_parameters", "lora_target_parameters");
  called("adapter.init_r", "adalora_init_r");
  called("adapter.target_r", "adalora_target_r");
  called("adapter.tinit", "adalora_tinit");
  called("adapter.tfinal", "adalora_tfinal");
  called("adapter.deltaT", "adalora_deltat");
  called("adapter.beta1", "adalora_beta1");
  called("adapter.beta2", "adalora_beta2");
  called("adapter.orth_reg_weight", "adalora_orth_reg_weight");
  called("adapter.projection_prng_key", "vera_projection_prng_key");
  called("adapter.d_initial", "vera_d_initial");
  called("adapter.n_frequency", "fourier_n_frequency");
  called("adapter.scaling", "fourier_scaling");
  called("adapter.trainable_token_indices", "peft_trainable_token_indices");
  called("freeze.language_model_last_layers", "freeze_trainable_layers num_layer_trainable");
  called("adapter.layers_to_transform", "lora_layers_to_transform peft_layers_to_transform");
  called("adapter.layers_pattern", "lora_layers_pattern peft_layers_pattern");
  called("sft.router_aux_loss_coef", "moe_aux_loss_coef");
  called("training.loraplus_lr_ratio", "lora_lr_ratio loraplus_ratio lorap_lr_ratio");
  called("training.loraplus_lr_embedding", "loraplus_embedding_lr lorap_emb_lr");
  called("adapter.exclude_modules",
         "exclude exclude_target lora_exclude lora_exclude_modules "
         "ignore_modules lora_namespan_exclude");
  called("adapter.modules_to_save",
         "additional_target lora_modules_to_save save_modules "
         "extra_trainable_modules embed_tokens_trainable",
         "It takes the names of modules that train whole.");
  called("adapter.bias", "adapter_bias lora_train_bias");
  called("adapter.use_rslora",
         "rslora use_rs_lora peft_use_rslora rank_stabilized_lora "
         "rank_stabilized");
  called("adapter.use_dora", "dora peft_use_dora");
  called("adapter.init_lora_weights",
         "lora_init_weights peft_init_lora_weights "
         "init_lora lora_init pissa_init pissa_iter lora_init_method");
  called("adapter.init_from",
         "adapter_name_or_path adapters lora_model_dir lora_weight_path "
         "adapter_path resume_from_adapter peft_model_id lora_path adapter_dir "
         "adapter_model lora_weights adapter_load peft_path lora_checkpoint "
         "resume_lora",
         "It takes the folder of a PEFT adapter.");
  called("adapter.rank_pattern", "lora_rank_pattern rank_map");
  called("adapter.alpha_pattern", "lora_alpha_pattern alpha_map");
  called("freeze.vision_tower",
         "freeze_vision_tower freeze_vit freeze_vision freeze_vision_model "
         "freeze_vision_encoder freeze_visual freeze_vision_backbone "
         "tune_mm_vision unfreeze_vision_tower train_vision_tower "
         "unfreeze_mm_vision_tower tune_vision_tower freeze_image_encoder",
         "true keeps the part fixed; it holds under strategy: freeze.");
  called("freeze.projector",
         "freeze_multi_modal_projector freeze_aligner freeze_mm_projector "
         "freeze_projector tune_mm_mlp_adapter tune_mm_mlp freeze_connector "
         "freeze_mm_mlp_adapter freeze_merger tune_merger train_projector",
         "true keeps the part fixed; it holds under strategy: freeze.");
  called("freeze.language_model",
         "freeze_language_model freeze_llm freeze_backbone tune_mm_llm "
         "freeze_lm freeze_text_model freeze_decoder train_llm tune_llm",
         "true keeps the part fixed; it holds under strategy: freeze.");
  called(
      "freeze",
      "freeze_parameters freeze_parameters_ratio freeze_parameters_regex "
      "trainable_parameters trainable_parameters_regex unfrozen_parameters "
      "train_mm_proj_only freeze_layers frozen_modules trainable_modules frozen "
      "freeze_modules unfreeze",
      "Parts are kept fixed whole: freeze.vision_tower, freeze.projector, freeze.language_model.");
  called("training.device",
         "device_map use_cpu no_cuda use_cuda use_mps_device gpu_ids gpus gpu "
         "cuda_visible_devices devices accelerator device_id gpu_id",
         "It is auto, cpu, cuda or cuda:N.");
  called("training.dtype",
         "bf16 fp16 bfloat16 float16 fp32 float32 precision torch_dtype "
         "mixed_precision pure_bf16 compute_dtype bf16_full_eval fp16_full_eval "
         "model_dtype load_in_16bit amp fp16_opt_level half_precision_backend "
         "upcast_layernorm upcast_lmhead_output tf32 half fp16_backend dtype_str "
         "float16_training use_bf16 use_fp16 weight_dtype autocast",
         "It is auto, float32 or bfloat16; auto takes bfloat16 on a CUDA device that has it.");
  called("training.num_train_epochs",
         "epochs num_epochs epoch n_epochs max_epochs train_epochs "
         "num_epoch nb_epochs epoch_num");
  called("training.max_steps",
         "steps max_train_steps total_steps num_train_steps iterations "
         "num_steps train_steps iters max_iters train_iters "
         "total_train_steps max_train_iters");
  called(
      "training.per_device_train_batch_size",
      "batch_size micro_batch_size train_batch_size per_device_batch_size bs "
      "per_gpu_train_batch_size mini_batch_size train_micro_batch_size_per_gpu "
      "per_device_eval_batch_size eval_batch_size per_gpu_eval_batch_size global_batch_size "
      "auto_find_batch_size effective_batch_size total_batch_size per_device_bs",
      "Evaluation goes by it too; a step sums training.gradient_accumulation_steps such batches.");
  called("training.gradient_accumulation_steps",
         "gradient_accumulation grad_accum accumulation_steps grad_accumulation_steps grad_acc "
         "accumulate_grad_batches gas accum_steps grad_accum_steps accumulate_steps accum "
         "gradient_accumulation_step grad_acc_steps");
  called("training.learning_rate",
         "lr learn_rate peak_lr max_lr base_lr initial_lr rate "
         "embedding_learning_rate lr_groups embedding_lr backbone_lr",
         "Parts of the model may have rates of their own beside it.");
  called("training.vision_tower_learning_rate",
         "vit_lr vision_lr vision_tower_lr mm_vision_tower_lr vision_learning_rate tower_lr");
  called("training.projector_learning_rate",
         "mm_projector_lr aligner_lr projector_lr merger_lr connector_lr");
  called("training.language_model_learning_rate", "llm_lr language_model_lr");
  called("training.adapter_learning_rate", "lora_lr adapter_lr");
  called("training.lr_scheduler_type",
         "lr_scheduler scheduler schedule scheduler_type lr_schedule "
         "lr_decay_style learning_rate_scheduler lr_policy "
         "lr_scheduler_kwargs lr_scheduler_args scheduler_name "
         "learning_rate_schedule lr_decay");
  called("training.warmup_steps",
         "num_warmup_steps lr_warmup_steps warmup_iters lr_warmup_iters "
         "warmup_step warm_up_steps");
  called("training.warmup_ratio",
         "warmup warmup_proportion warmup_fraction lr_warmup_ratio "
         "lr_warmup_fraction warm_up_ratio warmup_pct warmup_percent",
         "A number of steps goes into training.warmup_steps.");
  called("training.weight_decay", "wd decay l2 weightdecay_rate adam_weight_decay");
  called("training.max_grad_norm",
         "gradient_clipping grad_clip clip_grad_norm gradient_clip_val "
         "grad_norm max_norm clip_grad gradient_clip grad_norm_clip "
         "clip_grad_norm_value max_gradient_norm grad_clip_norm");
  called("training.optim",
         "optimizer optimizer_type optim_type optimiser opt optimizer_name use_muon");
  called("training.adam_beta1", "adam_b1 adam_betas betas");
  called("training.adam_beta2", "adam_b2");
  called("training.adam_epsilon", "adam_eps optim_eps");
  called("training.gradient_checkpointing",
         "use_gradient_checkpointing activation_checkpointing grad_checkpointing "
         "disable_gradient_checkpointing gradient_checkpointing_kwargs use_reentrant recompute "
         "use_reentrant_gc gradient_checkpoint vit_gradient_checkpointing grad_checkpoint "
         "checkpoint_activations recompute_granularity activation_offloading");
  called("training.max_length",
         "cutoff_len max_seq_length max_seq_len sequence_len seq_length "
         "seq_len block_size model_max_length context_length max_tokens "
         "max_source_length max_target_length max_context_length cutoff "
         "max_model_len sequence_length max_len context_len max_prompt_len "
         "eval_sequence_len excess_length_strategy truncation_strategy "
         "truncation_side truncation_mode truncation max_sequence_length",
         "Longer rows are cut at the end.");
  called("training.shuffle",
         "disable_shuffling dataset_shuffle train_dataloader_shuffle "
         "shuffle_data train_shuffle do_shuffle shuffle_dataset "
         "train_sampling_strategy");
  called("training.seed", "random_seed data_seed manual_seed random_state rng_seed global_seed");
  called("training.loss_on",
         "train_on_prompt train_on_inputs mask_history assistant_only_loss "
         "completion_only_loss train_on_responses_only loss_scale "
         "roles_to_train train_on_eos response_template instruction_template "
         "loss_mask mask_prompt train_on_input train_on_source "
         "instruction_part response_part mask_inputs train_on_eot",
         "It is completion, assistant or all.");
  called("training.logging_steps",
         "log_steps log_every log_interval logging_interval print_freq "
         "log_every_n_steps logging_first_step logging_strategy "
         "log_freq log_frequency logging_step print_every");
  called("training.eval_steps",
         "eval_every eval_interval evaluation_steps eval_strategy do_eval "
         "evaluation_strategy evals_per_epoch eval_on_start eval_freq "
         "val_check_interval eval_step eval_delay evaluate_every val_interval "
         "eval_frequency val_steps",
         "Where eval_dataset is named, 0 evaluates at every save_steps and at the end.");
  called("training.save_steps",
         "save_every save_interval save_freq checkpointing_steps ckpt_steps "
         "save_strategy saves_per_epoch checkpoint_steps checkpoint_interval "
         "checkpoint_every save_epochs save_frequency save_step "
         "checkpointing_interval ckpt_interval checkpoint_freq",
         "training.save_minutes saves by the clock beside it.");
  called("training.save_minutes",
         "save_time save_every_minutes checkpoint_minutes save_min "
         "save_seconds checkpoint_time");
  called("training.save_total_limit",
         "keep_checkpoints max_checkpoints save_limit keep_last "
         "max_to_keep save_top_k max_keep_ckpts checkpoints_total_limit "
         "keep_last_n keep_last_n_checkpoints save_last_n");

  called("dpo.beta", "dpo_beta pref_beta rl_beta", "Each objective has its own, as in kto.beta.");
  called("dpo.label_smoothing", "dpo_label_smoothing");
  called("kto.desirable_weight", "kto_desirable_weight kto_chosen_weight");
  called("kto.undesirable_weight", "kto_undesirable_weight kto_rejected_weight");
  called("orpo.beta", "orpo_alpha orpo_beta");
  called("cpo.simpo_gamma", "simpo_target_margin");
}

}  // namespace luthier
