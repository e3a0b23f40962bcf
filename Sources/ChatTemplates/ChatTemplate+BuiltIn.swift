// SPDX-License-Identifier: Apache-2.0
// Formats for models whose files have no template.

extension ChatTemplate {
    /// The valid names for `builtIn(named:)`.
    package static let builtInNames = ["chatml", "gemma", "llama2", "llama3", "mistral", "plain", "vicuna"]

    /// A template for a family of models, or nil if the name is unknown.
    ///
    /// "plain" writes "User:" and "Assistant:" lines, which base models continue sensibly.
    package static func builtIn(named name: String) -> ChatTemplate? {
        guard let source = sources[name] else { return nil }
        return try? ChatTemplate(source: source)
    }

    private static let sources = [
        "chatml": """
        {% for message in messages %}
        {{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
        {%- endfor %}
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
        """,
        "llama2": systemInFirstUserMessage + """
            {%- for message in rest %}
            {%- if message.role == 'user' %}
            {{- bos_token + '[INST] ' }}
            {%- if loop.first and system %}{{ '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' }}{% endif %}
            {{- message.content | trim + ' [/INST]' }}
            {%- else %}{{ ' ' + message.content | trim + ' ' + eos_token }}{% endif %}
            {%- endfor %}
            """,
        "llama3": """
        {{- bos_token }}
        {%- for message in messages %}
        {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
        {{- message.content | trim + '<|eot_id|>' }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}
        """,
        "gemma": systemInFirstUserMessage + """
            {{- bos_token }}
            {%- for message in rest %}
            {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' }}
            {%- if loop.first and system %}{{ system | trim + '\\n\\n' }}{% endif %}
            {{- message.content | trim + '<end_of_turn>\\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
            """,
        "mistral": systemInFirstUserMessage + """
            {{- bos_token }}
            {%- for message in rest %}
            {%- if message.role == 'user' %}
            {{- '[INST] ' }}
            {%- if loop.first and system %}{{ system + '\\n\\n' }}{% endif %}
            {{- message.content + ' [/INST]' }}
            {%- else %}{{ ' ' + message.content + eos_token }}{% endif %}
            {%- endfor %}
            """,
        "plain": """
        {{- bos_token }}
        {%- for message in messages %}
        {%- if message.role == 'system' %}{{ message.content | trim + '\\n\\n' }}
        {%- else %}{{ message.role | capitalize + ': ' + message.content | trim + '\\n' }}{% endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}
        """,
        "vicuna": """
        {{- bos_token }}
        {%- for message in messages %}
        {%- if message.role == 'system' %}{{ message.content | trim + '\\n\\n' }}
        {%- elif message.role == 'user' %}{{ 'USER: ' + message.content | trim + '\\n' }}
        {%- else %}{{ 'ASSISTANT: ' + message.content | trim + eos_token + '\\n' }}{% endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}
        """,
    ]

    /// For families without a system role: `system` is its text or empty, `rest` the following messages.
    private static let systemInFirstUserMessage = """
        {%- set system, rest = '', messages %}
        {%- if messages and messages[0].role == 'system' %}
        {%- set system, rest = messages[0].content | trim, messages[1:] %}
        {%- endif %}
        {%- for message in rest %}
        {%- if (message.role == 'user') != (loop.index0 % 2 == 0) or message.role not in ['user', 'assistant'] %}
        {{- raise_exception('found a message of ' + message.role + ', expected user and assistant in turns') }}
        {%- endif %}
        {%- endfor %}

        """
}
