// SPDX-License-Identifier: GPL-3.0-or-later
// Names of other tools for what needs no setting here, and for what this version does not have.
#include "engine/config/names_table.h"

namespace luthier {

void add_names_without_setting(std::vector<NameElsewhere>& rows) {
  const auto needless = [&](const char* names, const char* because) {
    rows.push_back({NameElsewhere::Kind::Needless, {}, words_of(names), because});
  };
  const auto missing = [&](const char* names, const char* instead) {
    rows.push_back({NameElsewhere::Kind::Missing, {}, words_of(names), instead});
  };

  needless(
      "image_resize_algorithm image_seq_length do_resize image_mean image_std crop_to_patches "
      "image_do_pan_and_scan use_fast_image_processor image_grid_pinpoints image_aspect_ratio",
      "pictures are prepared as the checkpoint's own processor says.");
  missing("video_* audio_* sampling_rate use_audio_in_video",
          "it trains on pictures, films and text.");
  needless(
      "template chat_template conversation_template prompt_template template_backend "
      "tokenizer tokenizer_name tokenizer_name_or_path tokenizer_type processor_type "
      "processing_class "
      "processor tokenizer_config use_fast_tokenizer tokenizer_use_fast default_system "
      "chat_template_path chat_template_jinja tokenizer_legacy use_slow_tokenizer "
      "add_bos_token add_eos_token tool_format enable_thinking default_system_message "
      "chat_template_kwargs agent_template use_chat_template",
      "tokenizer and chat template are the checkpoint's own.");
  needless(
      "model_type model_class model_author architecture is_llama_derived_model arch "
      "vision_model model_kwargs model_init_kwargs config_name auto_map rope_scaling "
      "rope_theta overrides_of_model_config use_cache low_cpu_mem_usage model_config is_multimodal "
      "base_model_class task_type "
      "fan_in_fan_out inference_mode",
      "the family and its sizes are read from the checkpoint's config.json.");
  needless("trust_remote_code", "nothing that comes with a checkpoint is ever executed.");
  needless(
      "token hub_token hf_token hf_hub_token use_auth_token cache_dir revision model_revision "
      "push_to_hub hub_* use_hf ms_hub_token use_modelscope_hub download_mode "
      "push_dataset_to_hub local_files_only force_download",
      "training reads folders of this machine; luthier-cli fetch downloads a model into the "
      "Hugging Face cache.");
  needless(
      "preprocessing_num_workers dataloader_* num_workers dataset_num_proc "
      "dataset_prepared_path overwrite_cache lazy_preprocess lazy_tokenize "
      "tokenized_path preprocessing_batch_size dataset_processes load_from_cache_file "
      "strict_dataset remove_unused_columns cache_implementation shuffle_merged_datasets "
      "data_cache num_proc prefetch_factor pin_memory persistent_workers",
      "rows are read and encoded ahead by a thread of its own.");
  needless(
      "dataset_text_field dataset_kwargs formatting_func data_collator columns dataset_info "
      "formatting dataset_format field_messages message_property_mappings image_column "
      "skip_prepare_dataset text_column column_mapping messages_field text_field label_names "
      "prompt_column response_column query_column history_column dataset_type data_format "
      "system_column image_key images_key image_token",
      "the form of each row is recognised: messages, conversations, images with <image> "
      "marks, or image, prompt and completion.");
  missing(
      "streaming dataset_shuffle_buffer buffer_size shuffle_buffer_size mix_strategy "
      "stopping_strategy",
      "rows of all files are one dataset; mixture.weights says how often each file's come.");
  missing(
      "max_samples num_samples max_train_samples train_samples max_eval_samples "
      "eval_num_samples val_dataset_sample dataset_sample train_dataset_sample",
      "give a shorter file, or bound the run by training.max_steps.");
  missing(
      "new_special_tokens special_tokens "
      "added_tokens add_tokens tokens resize_vocab added_tokens_overrides add_special_tokens "
      "skip_special_tokens resize_token_embeddings fix_untrained_tokens",
      "the vocabulary stays as it is.");
  missing(
      "galore_* use_galore badam_* use_badam apollo_* use_apollo use_adam_mini "
      "use_dft use_asft use_eaft lisa_* llamapro_* "
      "use_llama_pro reft_* relora_* relora freeze_extra_modules freeze_trainable_modules",
      "it trains by one of the methods that strategy names.");
  missing(
      "hqq_* load_in_fp8 fp8 fp8_* eetq "
      "quantization_device_map lora_on_cpu bnb_4bit_quant_storage",
      "weights are loaded in training.dtype (float32 or bfloat16), or packed by quantization.");
  needless("gptq gptq_* awq",
           "a checkpoint that GPTQ or AWQ packed is loaded as its config.json says.");
  needless(
      "report_to wandb wandb_* use_wandb tensorboard use_tensorboard logging_dir log_dir "
      "swanlab_* use_swanlab mlflow_* use_mlflow comet_* use_comet plot_loss tb_* trackio_* "
      "logger loggers log_with neptune_* clearml_* log_tensorboard tensorboard_dir project "
      "tracker_name trackio log_completions",
      "metrics.jsonl and TensorBoard's event files are always written into the run's folder.");
  needless(
      "packing sample_packing eval_packing pad_to_sequence_len padding_free padding neat_packing "
      "padding_side pad_token pad_to_multiple_of group_by_length length_column_name packing_* "
      "sample_packing_* multipack_* batch_flattening pad_to_max_length sampler sampler_type "
      "group_by_modality_length packing_strategy pad_token_id efficient_packing",
      "a batch holds no padding: rows of any lengths lie one after another.");
  needless(
      "flash_attn flash_attention flash_attention_2 use_flash_attn use_flash_attention "
      "flash_attn_* attn_implementation attn_impl attention_implementation xformers_attention "
      "sdp_attention enable_liger_kernel use_liger_kernel use_liger use_unsloth use_unsloth_gc "
      "liger_* use_kernels sage_attention eager_attention flex_attention disable_flash_attn "
      "use_rslora_kernels unsloth_* lora_mlp_kernel lora_qkv_kernel lora_o_kernel "
      "use_xformers use_sdpa cut_cross_entropy kernels",
      "fused attention and a loss in chunks are used wherever they can be.");
  needless(
      "resume_from_checkpoint auto_resume_from_checkpoints resume resume_checkpoint resume_from "
      "ignore_data_skip resume_only_model restore_callback_states_from_checkpoint load_checkpoint "
      "checkpoint_path auto_resume",
      "a run is gone on with by luthier-cli train RECIPE --resume RUN, or on the Runs page.");
  needless("overwrite_output_dir overwrite exist_ok add_version",
           "a folder with a finished run or a checkpoint is never overwritten; name another "
           "output_dir.");
  needless(
      "do_train do_predict do_test save_safetensors save_only_model save_on_each_node "
      "save_first_step save_last save_model disable_tqdm log_level log_level_replica verbose "
      "logging_nan_inf_filter skip_memory_metrics include_num_input_tokens_seen tqdm debug "
      "merge_lora export_dir merge_weights mode silent progress_bar full_determinism "
      "deterministic include_tokens_per_second check_model_load save_full_model",
      "it is always so, or has a command of its own (luthier-cli --help lists them).");
  missing(
      "deepspeed deepspeed_* zero_stage zero fsdp fsdp_* ddp_* ddp local_rank nproc_per_node "
      "num_gpus "
      "world_size tensor_parallel_size tensor_model_parallel_size pipeline_* context_parallel_size "
      "sequence_parallel_size accelerate accelerator_config num_processes parallelism_config "
      "parallel_mode ray_* use_ray num_machines machine_rank nnodes node_rank master_port "
      "master_addr distributed_* n_gpu expert_model_parallel_size dp_shard_size local_world_size "
      "offload offload_optimizer offload_param cpu_offload optimizer_offload megatron",
      "a run trains on one device.");
  missing(
      "compute_metrics compute_accuracy predict_with_generate "
      "eval_accumulation_steps eval_metric eval_metrics do_causal_lm_eval eval_table_size "
      "eval_causal_lm_metrics eval_generation_config",
      "the loss of eval_dataset stands in metrics.jsonl, and every checkpoint can be compared.");
  missing(
      "label_smoothing_factor neftune_noise_alpha neftune noise_alpha "
      "torch_compile torch_compile_* compile use_compile torch_empty_cache_steps optim_args "
      "optim_target_modules jit_mode_eval mod shift_attn mixture_of_depths min_lr "
      "cosine_min_lr_ratio cosine_constant_lr_ratio lr_end ema use_ema ema_* z_loss "
      "average_tokens_across_devices "
      "average_checkpoints gradient_noise llrd layerwise_lr_decay mixup",
      "see luthier-cli train --help for the settings that there are.");
  missing(
      "pref_loss pref_ftx grpo_* ppo_* reward_model_type reward_model_adapters "
      "reward_model_quantization_bit "
      "ref_model_adapters ref_model_quantization_bit "
      "max_prompt_length use_vllm vllm_* "
      "teacher_model teacher_model_init_kwargs teacher_model_revision rl trl "
      "rpo_alpha lambda gamma_beta_ratio rlhf",
      "it belongs to other objectives; see luthier-cli train --help for those that there are.");
  missing(
      "callbacks plugins plugin hooks custom_register_path external_plugins trainer_cls model_init",
      "nothing is loaded into a run but data and weights.");
}

}  // namespace luthier
